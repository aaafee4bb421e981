#!/usr/bin/env bash
# Runs `snakemake --profile slurm` as a job of its own, for login nodes that allow no long processes.
# Options are those of snakemake, and --configfile FILE:
#     bash scripts/submit.sh
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"
cd "$root"

[[ -n $(main_prefix) ]] || fail SM-SET-010
use_environment
exec python -m segmake submit --profile profiles/slurm "$@"
