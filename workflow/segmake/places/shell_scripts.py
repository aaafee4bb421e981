"""What a place's own shell does: start something that stays, look after it, end it, measure a disk. Plain `sh`."""

from __future__ import annotations

# When a process began, by the computer's own count: what `ps` makes of it is another time once the clock was put right.
# Its name, which may hold anything, stands in brackets.
_BEGAN = """
began() { sed "s/.*) //" "/proc/$1/stat" 2>/dev/null | cut -d " " -f 20; }
"""

# sh LOG COMMAND...: prints what the two below take. A user's systemd keeps what it started where logging out ends all
# else (KillUserProcesses), if the user may linger.
START = (
    _BEGAN
    + """
log=$1; shift
mkdir -p -- "$(dirname -- "$log")" || exit 1
if command -v systemd-run >/dev/null 2>&1 && loginctl enable-linger >/dev/null 2>&1; then
    unit=segmake-$$-$(date +%s)
    if systemd-run --user --quiet --collect --unit="$unit" --working-directory="$PWD" --setenv=PATH="$PATH" \\
        -p KillSignal=SIGINT -p StandardOutput="append:$log" -p StandardError="append:$log" -- "$@" 2>/dev/null
    then
        echo "$(uname -n) unit $unit"
        exit
    fi
fi
# Not in the background of this shell, where Ctrl-C is ignored for ever; whoever runs this may be in one.
heard=
if env --default-signal=INT true 2>/dev/null; then heard="env --default-signal=INT"; fi
started=$(setsid -f $heard sh -c 'echo $$; exec "$@" >>"$0" 2>&1 </dev/null' "$log" "$@") || exit
echo "$(uname -n) process $started $(began "$started")"
"""
)

# sh HOST unit UNIT, or sh HOST process NUMBER TIME: whether it runs.
IS_AT_WORK = (
    _BEGAN
    + """
[ "$1" = "$(uname -n)" ] || exit 3
if [ "$2" = unit ]; then systemctl --user --quiet is-active "$3"; exit; fi
# What has ended stays in the list where nobody asks for its exit code, as in some containers.
case "$(ps -o stat= -p "$3")" in "" | Z* | X*) exit 1 ;; esac
# What had ended before it could be looked at has no time.
[ -n "$4" ] && [ "$(began "$3")" = "$4" ]
"""
)

# As above: interrupts the whole session of the process.
STOP = (
    _BEGAN
    + """
[ "$1" = "$(uname -n)" ] || exit 3
if [ "$2" = unit ]; then systemctl --user stop --no-block "$3"; exit; fi
[ -n "$4" ] && [ "$(began "$3")" = "$4" ] || exit 0
# Not `kill -INT --`, of which dash makes something else.
kill -s INT -- "-$3" 2>/dev/null || kill -s INT "$3"
"""
)

# sh FOLDER: KiB that are free below it, or below the nearest one that is there.
FREE_SPACE = """
folder=$1
case $folder in "~") folder=$HOME ;; "~/"*) folder=$HOME/${folder#"~/"} ;; esac
while [ ! -d "$folder" ]; do folder=$(dirname -- "$folder"); done
df -Pk -- "$folder" | awk 'NR > 1 { print $(NF - 2); exit }'
"""

# sh FOLDER ASIDE: takes small files from tar, and gives each its name once all are whole. If the connection is lost,
# they stay aside: whoever sends them says later which are whole.
TAKE_MANY = """
mkdir -p -- "$1/$2" && cd -- "$1/$2" && : >"$2" && tar -xf - && rm -f -- "$2" || exit 1
find . -type d -exec sh -c '
    aside=$0
    for folder; do
        into=../$folder
        mkdir -p -- "$into" || exit 1
        set -- $(stat -Lc %d . "$into")
        if [ "$1" != "$2" ]; then
            # A link leads to another disk, where nothing is moved to in one moment.
            mkdir -p -- "$into/$aside" || exit 1
            find "$folder" -maxdepth 1 -type f -exec cp -p -t "$into/$aside" -- "{""}" + || exit 1
            find "$into/$aside" -maxdepth 1 -type f -exec mv -f -t "$into" -- "{""}" + || exit 1
            rmdir -- "$into/$aside"
        else
            find "$folder" -maxdepth 1 -type f -exec mv -f -t "$into" -- "{""}" + || exit 1
        fi
    done' "$2" {} + || exit 1
cd .. && rm -rf -- "$2"
"""

# sh FOLDER ASIDE NEW TAKE_MANY: takes names of files, with zeros behind, and puts these in place as the above does.
# What still writes into the folder aside finds it gone.
TAKE_UP = """
cd -- "$1/$2" || exit 0
tar -c --no-recursion --verbatim-files-from --null -T - | sh -c "$4" sh .. "$3"
cd .. || exit 0
# It may be written into at this moment.
for try in 1 2 3 4 5 6 7 8 9; do rm -rf -- "$2" && break; done
"""

# sh [COUNT]: takes names of files, with zeros behind, and prints a line for each, with the sum of all of it or of so
# many bytes.
CHECKSUMS = """
export first=$1
xargs -0 sh -c '
    for name; do
        [ -r "$name" ] || { echo; continue; }
        if [ "$first" ]; then head -c "$first" -- "$name" | sha256sum; else sha256sum <"$name"; fi || echo
    done' sh
"""

# sh FOLDER: says, in the words of the system, why nothing can be written there.
TRY_DISK = """
cd -- "$1" && head -c 1048576 /dev/zero >"$2"; rm -f -- "$2"
"""
