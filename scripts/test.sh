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
# An installation that is left half-way would begin anew.
trap wait EXIT

# PyTorch takes minutes, and one core: the checks run meanwhile. As for no terminal, whose last line would be rewritten.
bash scripts/setup.sh --dev --brief > >(cat) 2>&1 &
engine=$!

# check COMMAND...: one check; the first that fails ends everything. .pre-commit-config.yaml has the same.
check() {
    say test.gate command="$*"
    "$@" || fail SM-SET-009 command="$*"
}

check ruff check
check ruff format --check
check snakefmt --check workflow
check mypy workflow/segmake
check lint-imports
check bash scripts/lint.sh

wait "$engine"

say test.tests
# More processes than cores: many tests wait for Slurm, for packages, and for time to pass.
python -m pytest -n 4 --durations=10 "$@"
