# shellcheck shell=bash
# What setup.sh does with a file that bundle.sh made: `bundle` is its path, or that of the folder that was in it.

# Look through a bundle, and let pip take its packages alone. Sets `bundle` to its folder, and `right_version`.
open_bundle() {
    local made own tool found=
    if [[ -f $bundle ]]; then
        rm -rf -- "$environments/bundle"
        mkdir -p -- "$environments/bundle"
        quietly tar -xf "$bundle" -C "$environments/bundle" --strip-components 1 --exclude segmake-bundle/segmake ||
            fail SM-SET-025 file="$bundle"
        bundle=$environments/bundle
    fi
    [[ -f $bundle/bundle.txt && -f $bundle/SHA256SUMS ]] || fail SM-SET-025 file="$bundle"
    bundle=$(cd -P -- "$bundle" && pwd)
    (cd -- "$bundle" && quietly sha256sum --quiet --check SHA256SUMS) || fail SM-SET-025 file="$bundle"
    cmp -s -- "$bundle/envs/environment.yml" "$root/environment.yml" || fail SM-SET-026 folder="$root"
    if [[ -n $engine_file && ! -f $bundle/envs/$engine.yaml ]]; then
        fail SM-SET-027 engine="$engine" known="$(cd -- "$bundle/envs" && printf '%s ' *.yaml)"
    fi
    made=$(cat -- "$bundle/bundle.txt")
    for tool in "python${made%% *}" python3 python; do
        own=$(platform "$tool" 2>/dev/null) || continue
        if fits "$made" "$own"; then
            found=$tool
            break
        fi
    done
    [[ -n $found ]] || fail SM-SET-028 made="$made" own="${own:-?}"
    right_version="import sys; sys.exit(sys.version_info[:2] != (${made%%.*}, $(cut -d ' ' -f 1 <<<"${made#*.}")))"
    PIP_NO_INDEX=1
    # Words in it would be several places.
    PIP_FIND_LINKS=$("$found" -c 'import pathlib, sys; print(pathlib.Path(sys.argv[1]).as_uri())' "$bundle/wheels")
    export PIP_NO_INDEX PIP_FIND_LINKS
}

# fits MADE OWN: the same Python and kind of computer, and a C library that is no older.
fits() {
    local made own
    read -r -a made <<<"$1"
    read -r -a own <<<"$2"
    [[ ${made[0]} == "${own[0]}" && ${made[1]} == "${own[1]}" ]] &&
        [[ $(printf '%s\n' "${made[2]}" "${own[2]}" | sort -V | head -n 1) == "${made[2]}" ]]
}

# What was unpacked is needed no more.
close_bundle() {
    rm -rf -- "$environments/bundle"
}
