#!/usr/bin/env bash
# Has Snakemake's linter read the workflow. It reads the Snakefile, which lists images: it gets the demo's, as every
# clone can draw them.
#     bash scripts/lint.sh
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"
cd "$root"
use_environment

checked=$(mktemp -d)
trap 'rm -rf "$checked"' EXIT
python -m segmake demo-data "$checked/images"
printf '%s\n' "images: {folder: \"$checked/images\"}" "segmentation: {engine: threshold}" \
    "results: \"$checked/results\"" >"$checked/config.yaml"
snakemake --lint --configfile "$checked/config.yaml"
