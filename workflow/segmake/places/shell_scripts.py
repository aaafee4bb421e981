"""What a place's own shell does: start something that stays, look after it, end it, measure a disk. Plain `sh`."""

from __future__ import annotations

# sh LOG COMMAND...: prints what the two below take. A user's systemd keeps what it started where logging out ends all
# else (KillUserProcesses), if the user may linger.
START = """
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
echo "$(uname -n) process $started $(ps -o lstart= -p "$started" | tr -s " " _)"
"""

# sh HOST unit UNIT, or sh HOST process NUMBER TIME: whether it runs.
IS_AT_WORK = """
[ "$1" = "$(uname -n)" ] || exit 3
if [ "$2" = unit ]; then systemctl --user --quiet is-active "$3"; exit; fi
[ "$(ps -o lstart= -p "$3" | tr -s " " _)" = "$4" ]
"""

# As above: interrupts the whole session of the process.
STOP = """
[ "$1" = "$(uname -n)" ] || exit 3
if [ "$2" = unit ]; then systemctl --user stop --no-block "$3"; exit; fi
[ "$(ps -o lstart= -p "$3" | tr -s " " _)" = "$4" ] || exit 0
# Not `kill -INT --`, of which dash makes something else.
kill -s INT -- "-$3" 2>/dev/null || kill -s INT "$3"
"""

# sh FOLDER: KiB that are free below it, or below the nearest one that is there.
FREE_SPACE = """
folder=$1
case $folder in "~") folder=$HOME ;; "~/"*) folder=$HOME/${folder#"~/"} ;; esac
while [ ! -d "$folder" ]; do folder=$(dirname -- "$folder"); done
df -Pk -- "$folder" | awk 'NR > 1 { print $(NF - 2); exit }'
"""

# sh FOLDER ASIDE: takes small files from tar, and gives each its name when it is whole. If the connection is lost, the
# one that came last is cut, and its time is that of now; the others stay.
TAKE_MANY = """
mkdir -p -- "$1/$2" && cd -- "$1/$2" && : >"../$2.began" || exit 1
tar -xf -; code=$?
[ $code = 0 ] || find . -type f -newer "../$2.began" -delete
find . -type d -exec sh -c '
    for folder; do
        mkdir -p -- "$0/$folder" && find "$folder" -maxdepth 1 -type f -exec mv -f -t "$0/$folder" -- "{""}" + || exit 1
    done' .. {} + || code=1
cd .. && rm -rf -- "$2" "$2.began"
exit $code
"""
