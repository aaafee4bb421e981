"""The user's key at another computer: put into its list once, whatever shell somebody has there."""

from __future__ import annotations

from segmake.core.files import one_line
from segmake.messages import Problem
from segmake.places.place import Place
from segmake.remote.setup.own_key import MARK

# sh LINE KEY: adds the line unless the key is in one.
_PUT_IN = """
umask 077
folder=$HOME/.ssh file=$HOME/.ssh/authorized_keys
mkdir -p -- "$folder" || exit 1
if ! grep -v '^[[:space:]]*#' -- "$file" 2>/dev/null | grep -qF -- "$2"; then
    # The last line of a file may lack its end.
    if [ -s "$file" ] && [ -n "$(tail -c 1 -- "$file")" ]; then echo >>"$file" || exit 1; fi
    printf '%s\\n' "$1" >>"$file" || exit 1
fi
if command -v restorecon >/dev/null 2>&1; then restorecon -R "$folder" 2>/dev/null; fi
"""

# sh: what others may write to, of all that has to be the user's alone.
_OPEN = """
for path in "$HOME" "$HOME/.ssh" "$HOME/.ssh/authorized_keys"; do
    find -H "$path" -maxdepth 0 -perm /022 2>/dev/null
done
"""


async def put_in(place: Place, public: str) -> list[str]:
    """Add a key to those that may log in, and return `open_to_others`; what else is in the list stays as it is.

    Raises
    ------
    Problem
        ``SM-REM-035`` if the list can't be written.
    """
    key = " ".join(public.split()[:2])
    answer = await place.run(["sh", "-c", _PUT_IN, "sh", public, key])
    if answer.code:
        said = one_line(answer.err.decode(errors="replace"))
        raise Problem("SM-REM-035", where=place.name, host=place.name, error=said)
    return await open_to_others(place)


async def other_keys(place: Place, public: str) -> list[str]:
    """Return what the other keys in the list are called that SegMake has put in, such as from an older laptop."""
    own = public.split()[:2]
    answer = await place.run(["sh", "-c", 'cat -- "$HOME/.ssh/authorized_keys"'])
    lines = (line.split(maxsplit=2) for line in answer.text.splitlines())
    return [
        words[2]
        for words in lines
        if len(words) == 3 and words[2].endswith(MARK) and words[:2] != own
    ]


async def open_to_others(place: Place) -> list[str]:
    """Return the files and folders that others may write to: as long as they may, no key in the list is believed."""
    return (await place.run(["sh", "-c", _OPEN])).text.splitlines()


async def close_to_others(place: Place, paths: list[str]) -> bool:
    """Take from others the right to write there, and return whether that was possible."""
    return (await place.run(["chmod", "go-w", "--", *paths])).code == 0
