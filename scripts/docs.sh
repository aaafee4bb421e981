#!/usr/bin/env bash
# Sets up what the site of the docs is made with, makes it in English and French, and checks its links.
#     bash scripts/docs.sh                  into the folder site
#     bash scripts/docs.sh FOLDER           into another one, which is made anew
#     bash scripts/docs.sh --outer          asks other servers whether what the pages link to is still there
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"

bash "$root/scripts/setup.sh" --dev --brief --engine none
use_environment
exec python -m segmake.tools.site "$@"
