#!/usr/bin/env bash
# Sets up what the tests need, then runs the checks and the tests. What follows goes to pytest:
#     bash scripts/test.sh                          everything
#     bash scripts/test.sh -k journal               the tests whose names have "journal"
#     bash scripts/test.sh -m long                  those that take minutes, which are left out otherwise
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"
cd "$root"

bash scripts/setup.sh --dev --brief --engine none
use_environment
checked=$(mktemp -d)
# An installation that is left half-way would begin anew.
trap 'rm -rf "$checked"; wait' EXIT

# PyTorch takes minutes, and one core: the checks run meanwhile. As for no terminal, whose last line would be rewritten.
bash scripts/setup.sh --dev --brief > >(cat) 2>&1 &
engine=$!

# The linter reads the Snakefile, which lists images: it gets the demo's, as every clone can draw them.
python -m segmake demo-data "$checked/images"
printf '%s\n' "images: {folder: \"$checked/images\"}" "segmentation: {engine: threshold}" \
    "results: \"$checked/results\"" >"$checked/config.yaml"

# check COMMAND...: one check; the first that fails ends everything.
check() {
    say test.gate command="$*"
    "$@" || fail SM-SET-009 command="$*"
}

check ruff check
check ruff format --check
check snakefmt --check workflow
check mypy workflow/segmake
check lint-imports
check snakemake --lint --configfile "$checked/config.yaml"

wait "$engine"

say test.tests
# More processes than cores: many tests wait for Slurm, for packages, and for time to pass.
python -m pytest -n 4 --durations=10 "$@"
