#!/usr/bin/env bash
# Tries SegMake with another Snakemake and Slurm plugin, in an environment of their own that is removed afterwards:
#     bash scripts/test_next.sh                     the newest that PyPI has
#     bash scripts/test_next.sh 9.28.0 2.9.0        this Snakemake, this plugin
# It says what of them is no longer as SegMake needs it, and does a small run. See docs/developers/architecture.md.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"
cd "$root"

[[ -x $environments/main/bin/uv ]] || bash scripts/setup.sh --dev --brief
use_environment

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python=$place/venv/bin/python
{
    sed -n 's/^ *- \([A-Za-z0-9._-]*==.*\)/\1/p' environment.yml | grep -v '^snakemake'
    cat tests/requirements.txt
    printf 'snakemake%s\n' "${1:+==$1}"
    printf 'snakemake-executor-plugin-slurm%s\n' "${2:+==$2}"
} >"$place/packages.txt"
uv venv --quiet --python "$environments/main/bin/python" "$place/venv"
uv pip install --quiet --python "$python" -r "$place/packages.txt"

# Both are done, whatever the first says.
export SEGMAKE_ANY_VERSION=1
status=0
PYTHONPATH=$root/workflow "$python" -m segmake.adapter.touch_points || status=1
"$python" -m pytest -q -p no:cacheprovider tests/unit/adapter || status=1
"$python" -m pytest -q -p no:cacheprovider tests/workflow -k test_a_broken_image_fails_alone || status=1
exit "$status"
