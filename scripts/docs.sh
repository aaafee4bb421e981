#!/usr/bin/env bash
# Sets up what the site of the docs is made with, makes it in English and French, and checks its links.
#     bash scripts/docs.sh                  into the folder site
#     bash scripts/docs.sh FOLDER           into another one, which is made anew
#     bash scripts/docs.sh --reports        with whole reports of the examples, which takes minutes: each is run
#     bash scripts/docs.sh --outer          asks other servers whether what the pages link to is still there
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"

engine=(--engine none) reports=()
if [[ ${1:-} == --reports ]]; then
    shift
    # One example uses a neural network.
    engine=()
    reports=(--reports "$(mktemp -d)")
    trap 'rm -rf "${reports[1]}"' EXIT
fi
bash "$root/scripts/setup.sh" --dev --brief "${engine[@]}"
use_environment
if (("${#reports[@]}")); then (cd "$root" && python -m tests.docs.pictures.gallery "${reports[@]}"); fi
python -m segmake.tools.site "${reports[@]}" "$@"
