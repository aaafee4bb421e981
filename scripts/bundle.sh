#!/usr/bin/env bash
# Makes one file with all that a computer without a network needs to set SegMake up: this clone at its commit, and the
# packages of the main environment and of engines, for the Python and the kind of computer that this one has.
#     bash scripts/bundle.sh FILE [--engine NAME]... [--cuda VERSION]
# There: tar -xf FILE segmake-bundle/segmake, and bash segmake-bundle/segmake/scripts/setup.sh --bundle FILE
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"

file=
engines=()
cuda=
while (($#)); do
    case $1 in
        --engine)
            engines+=("${2-}")
            shift
            ;;
        --cuda)
            cuda=${2-}
            shift
            ;;
        -h | --help)
            say bundle.help
            exit
            ;;
        -*) fail SM-SET-001 option="$1" ;;
        *) file=$1 ;;
    esac
    shift || break
done
[[ -n $file ]] || fail SM-SET-021
[[ ! -e $file ]] || fail SM-SET-022 file="$file"
python=$(main_prefix)/bin/python
[[ -x $python ]] || fail SM-SET-010
for engine in "${engines[@]}"; do
    if [[ $engine != none && ! -f $root/workflow/envs/$engine.yaml ]]; then
        known=$(cd "$root/workflow/envs" && printf '%s ' *.yaml)
        fail SM-SET-002 engine="$engine" known="${known//.yaml/}"
    fi
done
git -C "$root" rev-parse --quiet --verify HEAD >/dev/null 2>&1 || fail SM-SET-023 folder="$root"
if [[ -n $(git -C "$root" status --porcelain --untracked-files=no) ]]; then
    say bundle.edited
fi

# Beside the file: there has to be room in the end.
work=$file.part
log=$work/bundle.log
rm -rf -- "$work"
mkdir -p -- "$work/segmake-bundle/wheels" "$work/segmake-bundle/envs"
trap 'rm -rf -- "$work"' EXIT
bundle=$work/segmake-bundle

say bundle.starts
git clone --quiet --no-hardlinks -- "$root" "$bundle/segmake"
if address=$(git -C "$root" config remote.origin.url); then
    git -C "$bundle/segmake" remote set-url origin "$address"
fi

# wheels FILE: the pinned packages of an environment file, and all that they need.
wheels() {
    local packages
    mapfile -t packages < <(pins "$1")
    if ! PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$python" -m pip wheel --wheel-dir "$bundle/wheels" \
        --disable-pip-version-check --no-input --progress-bar off "${packages[@]}" >>"$log" 2>&1 </dev/null; then
        tail -n 15 -- "$log" | sed 's/^/    | /' >&2
        fail SM-SET-024
    fi
}

cp -- "$root/environment.yml" "$bundle/envs/"
wheels "$root/environment.yml"
for engine in "${engines[@]}"; do
    [[ $engine != none ]] || continue
    say bundle.engine engine="$engine"
    if [[ -n $cuda ]]; then
        # With a PyTorch that a driver of this CUDA runs.
        (cd -- "$root" && PYTHONPATH=$root/workflow "$python" -c '
import sys
from pathlib import Path
from segmake.environments.solving import cuda
print(cuda.fitted(Path(sys.argv[1]), sys.argv[2]), end="")' "workflow/envs/$engine.yaml" "$cuda") >"$bundle/envs/$engine.yaml"
    else
        cp -- "$root/workflow/envs/$engine.yaml" "$bundle/envs/"
    fi
    wheels "$bundle/envs/$engine.yaml"
done

platform "$python" >"$bundle/bundle.txt"
(cd -- "$bundle" && find wheels envs bundle.txt -type f -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
tar -cf "$work/bundle.tar" -C "$work" segmake-bundle
mv -- "$work/bundle.tar" "$file"
size=$(du -k -- "$file" | cut -f 1)
say bundle.made file="$file" size="$((size / 1024))" commit="$(git -C "$root" rev-parse --short HEAD)"
