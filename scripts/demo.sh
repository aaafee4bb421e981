#!/usr/bin/env bash
# From nothing to a report: sets SegMake up, draws a dozen pictures, finds their cells.
# Everything it makes is in the folder demo; your config/config.yaml and results are not touched.
#     bash scripts/demo.sh
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"
cd "$root"

images=demo/images
results=demo/results
broken=fluorescence/broken_copy.tif # unreadable on purpose
good=fluorescence/ecoli_gfp_pos01.tif

say demo.setup
bash scripts/setup.sh --brief
use_environment

# Two demos at once would draw into the same folder.
mkdir -p "${images%/*}"
exec 8>"${images%/*}/.lock"
if command -v flock >/dev/null && ! flock -n 8; then
    say demo.waiting
    flock 8 || true
fi
if [[ -d $images ]]; then
    say demo.images_kept
else
    say demo.images
    # The folder gets its name when it is complete: an interrupted demo starts this step again.
    rm -rf "$images.part"
    python -m segmake demo-data "$images.part"
    mv "$images.part" "$images"
fi
exec 8>&-

say demo.run
started=$(mktemp)
trap 'rm -f "$started"' EXIT
status=0
# By its path: a user may have a profile of their own that is named local.
snakemake --profile profiles/local --configfile config/demo.yaml || status=$?

# One failed image makes Snakemake end with an error, as it should. Is it the expected one, and the only one?
[[ $results/images.csv -nt $started || $status == 0 ]] || fail SM-SET-008 logs="$results/logs"
{
    read -r number
    IFS= read -r failed
    IFS= read -r message
} < <(
    python - "$results/images.csv" <<'PYTHON'
import csv, sys

with open(sys.argv[1], encoding="utf-8-sig", newline="") as file:
    rows = list(csv.DictReader(file))
failed = [row for row in rows if row["state"] != "done"]
print(len(rows) - len(failed))
print(" ".join(row["image"] for row in failed))
print(" ".join(" ".join(row["message"] for row in failed).split()))
PYTHON
)

if [[ $status == 0 && -z $failed ]]; then
    say demo.all_done done="$number"
elif [[ $status == 1 && ($failed == "$broken" || $failed == "$images/$broken") ]]; then
    say demo.one_failed done="$number" failed="$images/$broken" message="$message"
else
    fail SM-SET-008 logs="$results/logs"
fi
say demo.report report="$root/$results/report.html"
if [[ -n $failed ]]; then
    say demo.next good="$images/$good" failed="$images/$broken" folder="$root/demo"
else
    say demo.next_own folder="$root/demo"
fi
