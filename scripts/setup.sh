#!/usr/bin/env bash
# Set up all that SegMake needs: the main environment, an engine's environment, Snakemake's profiles.
# Run it as often as you like: it does what is missing or out of date, and nothing else.
#     bash scripts/setup.sh --help
# Where the screen is no terminal, it says every SEGMAKE_PROGRESS_SECONDS (30) how far it is.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/_common.sh"

log=$environments/setup.log
engine=cellpose3
files=("$root/environment.yml")
only_profiles=false
brief=false
shared=
inside=false # no environment outside of this folder, such as in the home of whoever installs
options=()
bundle=

while (($#)); do
    case $1 in
        --shared)
            shared=${2-}
            [[ -n $shared ]] || fail SM-SET-001 option="$1"
            shift 2
            continue
            ;;
        --inside) inside=true ;;
        --engine)
            engine=${2-}
            options+=("$1" "$engine")
            shift
            ;;
        --dev) files+=("$root/tests/requirements.txt") ;;
        --profiles-only) only_profiles=true ;;
        --brief) brief=true ;;
        --bundle)
            bundle=${2-}
            [[ -e $bundle ]] || fail SM-SET-025 file="$bundle"
            options+=("$1" "$(cd -- "$(dirname -- "$bundle")" && pwd)/${bundle##*/}")
            shift
            ;;
        -h | --help)
            say setup.help
            exit
            ;;
        *) fail SM-SET-001 option="$1" ;;
    esac
    shift || break
done

# ---- For a group: SegMake in a folder that all may read ------------------------------------------

# A copy with its history, so that it can be brought up to date; what is there already is kept.
if [[ -n $shared ]]; then
    umask 022
    if [[ ! -e $shared/scripts/setup.sh ]]; then
        say setup.copying path="$shared"
        git clone --quiet -- "$root" "$shared" || fail SM-SET-013 path="$shared"
        if origin=$(git -C "$root" remote get-url origin 2>/dev/null); then
            git -C "$shared" remote set-url origin "$origin"
        fi
    fi
    shared=$(cd -P -- "$shared" && pwd)
    # In an older bash, an empty list is an unknown one.
    bash "$shared/scripts/setup.sh" --inside --brief ${options[@]+"${options[@]}"}
    say setup.shared line="bash $(printf %q "$shared/scripts/setup.sh")" folder="$shared"
    exit
fi

# ---- Snakemake's profiles ----------------------------------------------------------------------

# Every profile of SegMake carries this mark on its first line: it tells ours from the user's own.
is_ours() {
    head -n 1 -- "$1/profile.yaml" 2>/dev/null | grep -q '^# SegMake profile'
}

# `snakemake --profile NAME` looks in the user's folder of profiles, not in the clone's.
register_profile() {
    local name=$1 folder=${XDG_CONFIG_HOME:-${HOME:-~}/.config}/snakemake
    local link=$folder/$name ours=$root/profiles/$name old=
    if [[ -L $link ]]; then
        old=$(readlink -- "$link")
        if [[ $link -ef $ours ]]; then
            return
        fi
        # A link that leads nowhere is free to take only if a clone's profile was at its end.
        if ! is_ours "$link" && [[ -e $link || $old != */profiles/$name ]]; then
            problem SM-SET-006 name="$name" path="$link"
            return
        fi
    elif [[ -e $link ]]; then
        problem SM-SET-006 name="$name" path="$link"
        return
    fi
    if ! { mkdir -p -- "$folder" && ln -sfn -- "$ours" "$link"; } 2>/dev/null; then
        problem SM-SET-007 name="$name" path="$link"
    elif [[ -n $old ]]; then
        say setup.profile_moved name="$name" old="$old" new="$ours"
    else
        say setup.profile_made name="$name" path="$link"
    fi
}

register_profile local
register_profile slurm
if $only_profiles; then
    exit
fi

# The name of the shell that a new terminal of the user starts.
login_shell() {
    local shell=${SHELL-}
    if [[ -z $shell ]] && command -v getent >/dev/null; then
        shell=$(getent passwd "$(id -u)" | cut -d : -f 7)
    fi
    shell=${shell:-bash}
    printf '%s\n' "${shell##*/}"
}

# activation PLACE: the line that activates the virtual environment in a place.
activation() {
    case $(login_shell) in
        csh | tcsh) printf 'source %s/bin/activate.csh\n' "$1" ;;
        fish) printf 'source %s/bin/activate.fish\n' "$1" ;;
        bash | zsh) printf 'source %s/bin/activate\n' "$1" ;;
        *) printf '. %s/bin/activate\n' "$1" ;;
    esac
}

# Somebody else has set this up, and looks after it.
if [[ ! -w $root ]]; then
    prefix=$(main_prefix)
    owner=$(stat -c %U -- "$root" 2>/dev/null || echo '?')
    [[ -n $prefix && -x $prefix/bin/segmake ]] || fail SM-SET-014 path="$root" owner="$owner"
    # It may lean on a Python in the home of whoever set it up.
    "$prefix/bin/python" -c '' 2>/dev/null ||
        fail SM-SET-029 path="$root" owner="$owner" python="$(readlink -m -- "$prefix/bin/python" 2>/dev/null || printf '%s\n' "$prefix/bin/python")"
    if [[ -d $prefix/conda-meta ]]; then
        activate="conda activate $(printf %q "$prefix")"
    else
        activate=$(activation "$(printf %q "$prefix")")
    fi
    $brief || say setup.joined root="$root" owner="$owner" activate="$activate"
    exit
fi

# ---- Environments ------------------------------------------------------------------------------

engine_file=
case $engine in
    none | threshold) ;; # they run in the main environment
    *)
        engine_file=$root/workflow/envs/$engine.yaml
        if [[ -z $engine || ! -f $engine_file ]]; then
            known=$(cd "$root/workflow/envs" && printf '%s\n' *.yaml | grep -v -e imaging -e report)
            known=${known//.yaml/}
            fail SM-SET-002 engine="$engine" known="${known//$'\n'/, }, none"
        fi
        ;;
esac

mkdir -p "$environments"
echo '*' >"$environments/.gitignore"

# Two set-ups at once would spoil each other's work.
exec 9>"$environments/.lock"
if command -v flock >/dev/null && ! flock -n 9; then
    say setup.waiting
    flock 9 || true
fi
: >"$log"

quietly() {
    "$@" >>"$log" 2>&1 </dev/null
}

# told COMMAND...: as quietly, and says meanwhile how far it is.
told() {
    local status=0 lines
    lines=$(awk 'END { print NR }' "$log")
    # In the background is what speaks: from there, Ctrl-C would not reach what installs. Its own errors are none.
    speak "$lines" 2>/dev/null 9>&- &
    speaker=$!
    quietly "$@" || status=$?
    hush
    return "$status"
}
speaker=
hush() {
    if [[ -n $speaker ]]; then
        kill "$speaker" 2>/dev/null || true
        wait "$speaker" 2>/dev/null || true
        speaker=
        [[ ! -t 1 ]] || printf '\r\033[K'
    fi
}
trap hush EXIT

# speak LINES: on a terminal one line that is rewritten each second, else one now and then, on what the log has got
# after so many lines.
speak() {
    local every=${SEGMAKE_PROGRESS_SECONDS:-30} seconds=0 line
    # What waits must not hold the screen open once it is told to stop.
    while sleep 1 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        seconds=$((seconds + 1))
        if [[ -t 1 ]]; then
            line=$(progress "$1" "$seconds")
            printf '\r\033[K%s' "$line"
        elif ((seconds % every == 0)); then
            progress "$1" "$seconds"
        fi
    done
}

# progress LINES SECONDS: how far an installation is, from what pip writes into the log.
progress() {
    local time number size package unpacks
    printf -v time '%d:%02d' $(($2 / 60)) $(($2 % 60))
    read -r number size package unpacks <<<"$(awk -v after="$1" '
        NR <= after { next }
        /^ *(Downloading|Using cached) / && !/\.metadata/ {
            number++
            split($0, words, "[()]")
            split(words[2], amount, " ")
            unit = amount[2]
            size += amount[1] * (unit == "GB" ? 1000 : unit == "kB" ? 0.001 : unit == "bytes" ? 0.000001 : 1)
            package = $1 == "Using" ? $3 : $2
            sub(/^.*\//, "", package)
            sub(/-.*/, "", package)
        }
        /^Installing collected packages/ { unpacks = 1 }
        END { printf "%d %.0f %s %d\n", number, size, package == "" ? "-" : package, unpacks }' "$log")"
    if ((unpacks)); then
        say setup.unpacking time="$time" number="$number" size="$size"
    elif ((number)); then
        say setup.fetching time="$time" number="$number" size="$size" package="${package:0:24}"
    else
        say setup.working time="$time"
    fi
}

# fail_with_log CODE: the end of the log, then what to do about it.
fail_with_log() {
    tail -n 15 -- "$log" | sed 's/^/    | /' >&2
    fail "$1" log="$log"
}

# A stamp in an environment says from which version of a file, and for which folder, it was made.
stamp() {
    printf '%s/.segmake-%s' "$1" "${2##*/}"
}
fingerprint() {
    printf '%s %s' "$(sha256sum <"$2" | cut -d ' ' -f 1)" "$1"
}
is_current() {
    local prefix=$1 file
    shift
    for file in "$@"; do
        [[ $(cat "$(stamp "$prefix" "$file")" 2>/dev/null) == "$(fingerprint "$prefix" "$file")" ]] || return 1
    done
}

right_version='import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))'

# An environment can be used if its Python runs, has pip, and was not moved here from another folder.
is_usable() {
    local written
    [[ -n $1 ]] && "$1/bin/python" -c "import pip; $right_version" 2>/dev/null || return 1
    for written in "$1"/.segmake-*; do
        [[ ! -f $written || $(cut -d ' ' -f 2- "$written") == "$1" ]] || return 1
    done
}

find_conda() {
    local tool
    for tool in conda mamba micromamba "${CONDA_EXE:-}" "${MAMBA_EXE:-}"; do
        if [[ -n $tool ]] && "$tool" --version >/dev/null 2>&1; then
            printf '%s\n' "$tool"
            return
        fi
    done
}

# A Python that can make environments: first the version that environment.yml names.
find_python() {
    local wanted tool seen=
    wanted=$(sed -n 's/^ *- python=\([0-9.]*\).*/\1/p' "$root/environment.yml")
    for tool in "python$wanted" python3.12 python3.11 python3 python; do
        # It has to run: pyenv and the like put commands on the PATH that only say "not found".
        if "$tool" -c "$right_version" 2>/dev/null; then
            if "$tool" -c 'import ensurepip, venv' 2>/dev/null; then
                printf '%s\n' "$tool"
                return
            fi
            seen=$tool
        fi
    done
    if [[ -n $seen ]]; then
        fail SM-SET-004 python="$seen"
    fi
    fail SM-SET-003
}

make_virtual_environment() {
    local python
    python=$(find_python) || exit 1
    quietly "$python" -m venv --clear "$1" || fail_with_log SM-SET-005
}

# make_conda_environment FILE -n NAME | -p FOLDER
make_conda_environment() {
    local file=$1 unfinished
    shift
    unfinished=$environments/.unfinished-${2##*/}
    if [[ -e $unfinished ]]; then
        # The last attempt was interrupted: conda refuses to go on with what it left.
        quietly "$conda" env remove -y "$@" || true
    fi
    touch "$unfinished"
    case ${conda##*/} in
        micromamba) told "$conda" create -y -f "$file" "$@" ;;
        *) MAMBA_ALWAYS_YES=true told "$conda" env create -f "$file" "$@" ;;
    esac || fail_with_log SM-SET-005
    rm "$unfinished"
}

# Where conda keeps the environment `segmake`; empty if there is none.
conda_prefix() {
    local found
    found=$("$conda" run -n segmake python -c 'import sys; print(sys.prefix)' 2>/dev/null) || true
    # An environment without a Python of its own would answer with that of another one.
    if [[ ${found##*/} == segmake ]]; then
        printf '%s\n' "$found"
    fi
}

# install PREFIX FILE...: bring an environment to the versions that the files pin.
install() {
    local prefix=$1 file packages=()
    shift
    for file in "$@"; do
        mapfile -t -O ${#packages[@]} packages < <(pins "$file")
    done
    # These settings are right for a user's own Python and wrong for an environment.
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 told "$prefix/bin/python" -m pip install \
        --disable-pip-version-check --no-input --progress-bar off "${packages[@]}" ||
        fail_with_log SM-SET-005
    if [[ $prefix == "${engine_prefix-}" ]]; then
        check_engine
    fi
    # The stamps come last: without them, the next set-up does this step again.
    for file in "$@"; do
        fingerprint "$prefix" "$file" >"$(stamp "$prefix" "$file")"
    done
}

# Packages of the right versions may still not fit: torchvision wants the torch that was built with it.
check_engine() {
    PYTHONPATH=$root/workflow quietly "$engine_prefix/bin/python" -c "import segmake.engines.$engine" && return
    # What is there would be taken for right by the next attempt.
    rm -rf -- "$engine_prefix"
    tail -n 15 -- "$log" | sed 's/^/    | /' >&2
    fail SM-SET-011 engine="$engine" log="$log"
}

# Whether an environment has a PyTorch, of another version than a file pins.
has_another_torch() {
    local wanted found
    wanted=$(pins "$2" | sed -n 's/^torch==//p')
    for found in "$1"/lib/python*/site-packages/torch-*.dist-info; do
        found=${found##*/torch-}
        found=${found%.dist-info}
        if [[ $found != '*' && ${found%%+*} != "$wanted" ]]; then
            return
        fi
    done
    return 1
}

# ---- Disk space --------------------------------------------------------------------------------

# In MB, as measured once they were installed. With PyPI's PyTorch for Linux come the libraries of CUDA.
main_size=1500
engine_size=2000
cuda_size=4000

# Whether pip takes packages from elsewhere too: PyTorch may then be one without CUDA.
has_other_index() {
    [[ -n ${PIP_INDEX_URL-}${PIP_EXTRA_INDEX_URL-}${PIP_FIND_LINKS-} ]] ||
        grep -qsE '^ *(index-url|extra-index-url|find-links) *=' -- /etc/pip.conf /etc/xdg/pip/pip.conf \
            "${PIP_CONFIG_FILE:-/dev/null}" "${HOME:-~}/.pip/pip.conf" "${XDG_CONFIG_HOME:-${HOME:-~}/.config}/pip/pip.conf"
}

# What is to be installed into the clone's folder, in MB.
needed_room() {
    local needed=0
    if [[ $prefix == "$root/.venv" ]] && ! is_usable "$prefix"; then
        needed=$main_size
    fi
    if [[ -n $engine_file ]] && ! is_usable "$environments/$engine"; then
        needed=$((needed + engine_size))
        if [[ $OSTYPE == linux* && $HOSTTYPE == x86_64 ]] && grep -q '^ *- torch==[0-9.]*$' "$engine_file" && ! has_other_index; then
            needed=$((needed + cuda_size))
        fi
    fi
    printf '%s\n' "$needed"
}

# How much may still be written to the clone's folder, in MB: by the disk, and by the user's quota on it; nothing where
# that can't be told.
free_room() {
    local disk free left
    read -r disk free < <(df -Pk -- "$root" 2>/dev/null | awk 'NR == 2 { print $1, int($4 / 1024) }') || return 0
    left=$(quota -w 2>/dev/null | awk -v disk="$disk" '
        $1 == disk {
            limit = $4 > 0 ? $4 : $3
            if (limit > 0) { left = int((limit - $2) / 1024); print (left > 0 ? left : 0) }
        }') || left=
    if [[ -n $left ]] && ((left < free)); then
        free=$left
    fi
    printf '%s\n' "$free"
}

# gigabytes MB: with one digit behind the point, as the language writes it.
gigabytes() {
    local point=.
    [[ $(language) == en ]] || point=,
    printf '%d%s%d\n' $(($1 / 1000)) "$point" $(($1 % 1000 / 100))
}

# Tell how much room is needed, and end where it is not there.
check_room() {
    local needed free
    needed=$(needed_room)
    free=$(free_room)
    if ((needed == 0)) || [[ -z $free ]]; then
        return
    fi
    if ((free < needed)); then
        fail SM-SET-012 folder="$root" needed="$(gigabytes "$needed")" free="$(gigabytes "$free")"
    fi
    say setup.room folder="$root" needed="$(gigabytes "$needed")" free="$(gigabytes "$free")"
}

conda=$(find_conda)
if [[ -n $bundle ]]; then
    . "$root/scripts/_bundle.sh"
    open_bundle
    # It asks the network, whatever is in the bundle.
    conda=
fi

# -- the main environment: what was made before, else conda's `segmake`, else .venv

prefix=$(main_prefix)
if [[ -z $prefix || ! -d $prefix ]]; then
    prefix=$root/.venv
    if [[ -n $conda ]] && ! $inside; then
        prefix=$(conda_prefix)
    fi
fi
check_room

if is_usable "$prefix" && is_current "$prefix" "${files[@]}"; then
    $brief || say setup.main_current path="$prefix"
else
    say setup.main_starts log="$log"
    if ! is_usable "$prefix"; then
        if [[ -n $conda && $prefix != "$root/.venv" ]]; then
            make_conda_environment "$root/environment.yml" -n segmake
            prefix=$(conda_prefix)
        elif [[ -n $conda ]] && $inside; then
            make_conda_environment "$root/environment.yml" -p "$prefix"
        else
            prefix=$root/.venv
            make_virtual_environment "$prefix"
        fi
    fi
    install "$prefix" "${files[@]}"
    say setup.main_made path="$prefix"
fi

# From now on this is the main environment, whatever else appears. In the clone the link is relative, so that
# a copy of the clone finds its own environment and not that of the original.
if [[ $prefix == "$root/.venv" ]]; then
    ln -sfn ../.venv "$environments/main"
else
    ln -sfn -- "$prefix" "$environments/main"
fi

# SegMake's package, with the command segmake. It is read from this clone, so that an edit or an update counts at once;
# what is noted is the clone, and what the package says of itself.
package="$(cat -- "$root/pyproject.toml" "$root/workflow/segmake/__init__.py" | sha256sum | cut -d ' ' -f 1) $root"
if [[ $(cat -- "$prefix/segmake-package.txt" 2>/dev/null) != "$package" ]]; then
    (
        cd -- "$root" && PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 quietly "$prefix/bin/python" -m pip install \
            --disable-pip-version-check --no-input --no-deps --no-build-isolation --editable .
    ) || fail_with_log SM-SET-005
    printf '%s\n' "$package" >"$prefix/segmake-package.txt"
fi

# A start that cleans the surroundings, the command snakemake, and activations that leave out what modules set for
# other Pythons.
quietly "$prefix/bin/python" -P "$root/workflow/segmake/adapter/installed.py" "$root/workflow" "$prefix" ||
    fail_with_log SM-SET-005

# -- the engine's environment

if [[ -n $engine_file ]]; then
    engine_prefix=$environments/$engine
    # With a PyTorch that the driver of the GPUs runs.
    if [[ -n $bundle ]]; then
        engine_file=$bundle/envs/$engine.yaml
    else
        fitted=$(cd -- "$root" && PYTHONPATH=$root/workflow "$prefix/bin/python" -m segmake.environments.making.engine_fit "$engine") || exit 1
        engine_file=${fitted##*$'\n'}
    fi
    if is_usable "$engine_prefix" && is_current "$engine_prefix" "$engine_file"; then
        $brief || say setup.engine_current engine="$engine" path="$engine_prefix"
    else
        say setup.engine_starts engine="$engine" log="$log"
        if has_another_torch "$engine_prefix" "$engine_file"; then
            # The CUDA of one would stay behind beside that of the other.
            rm -rf -- "$engine_prefix"
        fi
        if ! is_usable "$engine_prefix"; then
            rm -rf -- "$engine_prefix"
            if [[ -n $conda ]]; then
                make_conda_environment "$engine_file" -p "$engine_prefix"
            else
                make_virtual_environment "$engine_prefix"
            fi
        fi
        install "$engine_prefix" "$engine_file"
        say setup.engine_made engine="$engine" path="$engine_prefix"
    fi
fi

[[ -z $bundle ]] || close_bundle

# ---- What next ---------------------------------------------------------------------------------

if ! $brief; then
    activate="conda activate segmake"
    if [[ -d $root/.venv/conda-meta && $prefix == "$root/.venv" ]]; then
        activate="conda activate $(printf %q "$prefix")"
    elif [[ $prefix == "$root/.venv" ]]; then
        activate=$(activation "$(printf %q "$prefix")")
    fi
    say setup.next root="$root" activate="$activate"
fi
