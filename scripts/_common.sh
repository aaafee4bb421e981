# shellcheck shell=bash
# What setup.sh, demo.sh and test.sh share: where things are, what to say, which Python to use.
# To run SegMake's own Python or Snakemake from another script, without activating anything:
#     . scripts/_common.sh && use_environment

# Else `cd` may say where it went, or go to a folder of the same name elsewhere.
unset CDPATH

root=$(cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
environments=$root/.environments

# Libraries of other Pythons (a cluster's modules, ~/.local) must not mix with SegMake's own.
unset PYTHONPATH PYTHONHOME PYTHONPLATLIBDIR PYTHONSTARTUP PYTHONWARNINGS PYTHONINSPECT
# Where it is set, as in images of containers, each process translates the package anew.
unset PYTHONDONTWRITEBYTECODE
export PYTHONNOUSERSITE=1

# The user's language, chosen as the Python side does (workflow/segmake/messages).
language() {
    local wanted=${SEGMAKE_LANG:-} locale=${LC_ALL:-${LC_MESSAGES:-${LANG:-C}}} each
    if [[ -z $wanted ]]; then
        wanted=$locale
        if [[ $locale != C && $locale != POSIX ]]; then
            wanted=${LANGUAGE:-$locale}
        fi
    fi
    while [[ -n $wanted ]]; do
        each=${wanted%%:*}
        wanted=${wanted:${#each}}
        wanted=${wanted#:}
        case ${each%%[_.@-]*} in
            [fF][rR]) echo fr && return ;;
            [eE][nN] | [cC] | [pP][oO][sS][iI][xX]) break ;;
        esac
    done
    echo en
}

# text SECTION PART [NAME=VALUE...]: one text of the catalogue, with its {names} filled in, and {name:one|more} by number.
text() {
    local section=$1 key=$2 found pair words
    shift 2
    key+=.$(language)
    found=$(awk -v section="$section" -v key="$key" '
        /^\[/ { name = $0; gsub(/[]["]/, "", name); next }
        name == section && index($0, key " = \"") == 1 {
            value = substr($0, length(key) + 5)
            sub(/"[ \t]*$/, "", value)
            gsub(/\\n/, "\n", value)
            gsub(/\\"/, "\"", value)
            print value
            exit
        }' "$root/workflow/segmake/messages/setup.toml")
    for pair in "$@"; do
        words="\\{${pair%%=*}:([^{}|]*)\\|([^{}|]*)\\}"
        while [[ $found =~ $words ]]; do
            if is_singular "${pair#*=}"; then
                found=${found/"${BASH_REMATCH[0]}"/"${BASH_REMATCH[1]}"}
            else
                found=${found/"${BASH_REMATCH[0]}"/"${BASH_REMATCH[2]}"}
            fi
        done
        found=${found//"{${pair%%=*}}"/"${pair#*=}"}
    done
    printf '%s\n' "$found"
}

# French counts 0 as one.
is_singular() {
    [[ $1 == 1 || ($1 == 0 && $(language) == fr) ]]
}

# say SECTION [NAME=VALUE...]: a plain sentence, on the screen.
say() {
    local section=$1
    shift
    text "$section" say "$@"
}

# problem CODE [NAME=VALUE...]: what is wrong and what to do, laid out as the Python side does.
problem() {
    local code=$1
    shift
    {
        printf '%s\n' "$code"
        text "$code" what "$@" | sed 's/^/  /'
        text "$code" "do" "$@" | sed 's/^/  /'
    } >&2
}

# fail CODE [NAME=VALUE...]: a problem that ends the script.
fail() {
    problem "$@"
    exit 1
}

# The pinned packages of an environment file (its `pip:` part, without SegMake itself) or of a requirements file.
pins() {
    case $1 in
        *.txt) sed 's/[[:space:]]*#.*//' "$1" | grep . ;;
        *) awk '/^ *- *pip: *$/ { inside = 1; next }
                inside && /^ *- -e / { next }
                inside && /^ *- / { sub(/ *#.*/, ""); sub(/^ *- */, ""); print; next }
                /^[^ #]/ { inside = 0 }' "$1" ;;
    esac
}

# platform PYTHON: its version, the kind of computer, and the version of the C library, such as `3.11 linux-x86_64 2.36`.
platform() {
    "$1" -c '
import platform, sys, sysconfig
print("%d.%d" % sys.version_info[:2], sysconfig.get_platform(), platform.libc_ver()[1] or 0)'
}

# The folder of the main environment: empty until setup.sh has made one.
main_prefix() {
    (cd -P -- "$environments/main" 2>/dev/null && pwd) || true
}

# Put the commands of the main environment first, as activating it would.
use_environment() {
    PATH=$(main_prefix)/bin:$PATH
    export PATH
}
