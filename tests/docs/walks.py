"""Pages walked as their readers would: block by block, in one shell, from the place that they name.

    python -m tests.docs.walks docs/how-to/movies.md              what differs from what the page says
    python -m tests.docs.walks docs/how-to/movies.md --write      puts what was shown into the page

A page says below its first paragraph where it begins, `<!-- place: NAME -->`: see `PLACES`. What is typed in `bash` is
run there, also `python` and `r`; `yaml` is merged into `config/config.yaml`; a block with `<!-- file: NAME -->` before
it is written to that file. The next block of the section, if it is `text`, is what a `bash` block shows. A block must
end well, unless what it shows names a code of SegMake, or `<!-- fails -->` stands before it.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.docs import places
from tests.docs.blocks import Block, Page, lines_of, read

# The user whose home the pages show.
HOME = "/home/jane"
SECONDS = 300
_END = "the end of a block"
_ENDED = re.compile(rf"^{_END} (-?\d+) (.*)$")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_CODE = re.compile(r"\bSM-[A-Z]{3}-\d{3}\b")


@dataclass
class Walked:
    """A block that was run, with what it showed, and the block of the page that says what it shows."""

    block: Block
    shown: list[str]
    status: int
    expected: Block | None


@dataclass
class Walk:
    """What became of a page."""

    page: Page
    blocks: list[Walked] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What went otherwise than the page says, one text for each block."""
        found = []
        for each in self.blocks:
            if each.status and not _may_fail(each):
                end = "\n    ".join(each.shown[-25:])
                found.append(
                    f"{self.page.at(each.block.line)}: ended with {each.status}\n    {end}"
                )
            elif each.expected and (missing := first_missing(each.expected.text, each.shown)):
                shown = "\n    ".join(each.shown)
                where = self.page.at(each.expected.line)
                found.append(f"{where}: {missing!r} is not shown, or not there, in\n    {shown}")
        return found


def _may_fail(each: Walked) -> bool:
    told = bool(each.expected and _CODE.search(each.expected.text))
    return told or "fails" in each.block.marks


def first_missing(expected: str, shown: list[str]) -> str | None:
    """Return the first line that is not among what was shown, after the one before it; `…` stands for anything."""
    left = iter(line.rstrip() for line in shown)
    for line in expected.splitlines():
        wanted = line.rstrip()
        if wanted in {"", "…"}:
            continue
        pattern = _pattern(wanted)
        if not any(pattern.fullmatch(each) for each in left):
            return wanted
    return None


def _pattern(line: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in line.split("…")))


def expected_of(page: Page) -> list[tuple[Block, Block | None]]:
    """Return the blocks that are run, each with the one that says what it shows, if there is one."""
    blocks = [block for block in page.blocks if not block.is_directive]
    found: list[tuple[Block, Block | None]] = []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        runs = block.language in {"bash", "python", "r", "yaml"} or "file" in block.marks
        if not runs or "not run" in block.marks:
            continue
        shows = (
            following
            if following
            and block.language in {"bash", "python", "r"}
            and following.language == "text"
            and following.section == block.section
            and not following.marks.keys() & {"not run", "file"}
            else None
        )
        found.append((block, shows))
    return found


def walk(page: Page, home: Path, *, seconds: float = SECONDS) -> Walk:
    """Run the blocks of a page, in a home where its place is made.

    Parameters
    ----------
    page : Page
    home : Path
        An empty folder.
    seconds : float
        What one block may take.
    """
    folder = places.make(page.place, home, french=page.is_french)
    done = Walk(page)
    active = page.place != "clone"
    with _shell(home, folder, french=page.is_french, active=active) as session:
        for block, expected in expected_of(page):
            status, shown = session.run(block, seconds)
            done.blocks.append(Walked(block, shown, status, expected))
            if status and not _may_fail(done.blocks[-1]):
                break
    return done


@dataclass
class _Session:
    process: subprocess.Popen[str]
    home: Path
    folder: Path
    number: int = 0

    def run(self, block: Block, seconds: float) -> tuple[int, list[str]]:
        """Run a block, and return its exit code and the lines that were shown."""
        if name := block.marks.get("file"):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            return 0, []
        if block.language == "yaml":
            merge(self.folder / "config" / "config.yaml", block.text)
            return 0, []
        self.number += 1
        ending, program = {"bash": ("sh", "."), "python": ("py", "python"), "r": ("R", "Rscript")}[
            block.language
        ]
        script = self.home.parent / f"block{self.number}.{ending}"
        script.write_text(
            block.text.replace("--profile slurm", "--profile local"), encoding="utf-8"
        )
        line = f"{program} {script} </dev/null 2>&1; printf '\\n{_END} %s %s\\n' $? \"$PWD\"\n"
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(line)
        self.process.stdin.flush()
        # A block that does not end is ended with its shell, whose end then reads as an error.
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(self.process.pid, signal.SIGKILL))
        signal.alarm(int(seconds))
        shown: list[str] = []
        try:
            for each in self.process.stdout:
                if ended := _ENDED.match(each):
                    self.folder = Path(ended[2])
                    return int(ended[1]), plain("".join(shown), self.home)
                shown.append(each)
        finally:
            signal.alarm(0)
        return -1, [*plain("".join(shown), self.home), "(the shell has ended)"]


@contextmanager
def _shell(home: Path, folder: Path, *, french: bool, active: bool) -> Iterator[_Session]:
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc"],
        cwd=folder,
        env=places.environment(home, french=french, active=active),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    try:
        yield _Session(process, home, folder)
    finally:
        # What a block has left at work ends with it.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate()


def plain(shown: str, home: Path) -> list[str]:
    """Return lines as a reader sees them: without colours, rewritten lines as they end, the home as the pages have it."""
    text = (
        _CONTROL.sub("", shown)
        .replace("\r\n", "\n")
        .replace(str(home), HOME)
        .replace("\N{NO-BREAK SPACE}", " ")
    )
    lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n")]
    first = next((n for n, line in enumerate(lines) if line), len(lines))
    last = max((n for n, line in enumerate(lines) if line), default=-1)
    return lines[first : last + 1]


def merge(path: Path, text: str) -> None:
    """Lay the settings of a block over those of a config, whose comments stay."""
    reader = YAML()
    settings = reader.load(path.read_text(encoding="utf-8")) or {}
    _lay_over(settings, reader.load(text))
    said = StringIO()
    reader.dump(settings, said)
    path.write_text(said.getvalue(), encoding="utf-8")


def _lay_over(settings: Any, others: Any) -> None:
    for key, value in others.items():
        if isinstance(value, dict) and isinstance(settings.get(key), dict):
            _lay_over(settings[key], value)
        else:
            settings[key] = value


# Writing what was shown into the page


def written(done: Walk) -> str:
    """Return the text of the page with what was shown in its blocks; where one has `…`, it stays."""
    text = done.page.path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for each in reversed(done.blocks):
        if each.expected and first_missing(each.expected.text, each.shown):
            start, end = lines_of(text, each.expected)
            indent = re.match(r"\s*", lines[start - 1])
            lines[start:end] = [
                f"{indent[0] if indent else ''}{line}".rstrip()
                for line in shortened(each.expected.text.splitlines(), each.shown)
            ]
    return "\n".join(lines) + "\n"


def shortened(old: list[str], shown: list[str]) -> list[str]:
    """Return what was shown with the `…` of an older text: within lines, and for lines that were left out."""
    places_of: list[int | None] = []
    start = 0
    for line in old:
        found = None
        if line.strip() not in {"", "…"}:
            pattern = _pattern(line.rstrip())
            found = next((n for n in range(start, len(shown)) if pattern.fullmatch(shown[n])), None)
        places_of.append(found)
        start = start if found is None else found + 1
    new = list(shown)
    for line, place in zip(old, places_of, strict=True):
        if place is not None:
            new[place] = line.rstrip()
    left_out: set[int] = set()
    dots: dict[int, str] = {}
    for number, line in enumerate(old):
        if line.strip() != "…":
            continue
        before = max((p for p in places_of[:number] if p is not None), default=-1)
        after = min((p for p in places_of[number:] if p is not None), default=len(shown))
        left_out.update(range(before + 1, after))
        dots[before + 1] = line
    result = []
    for number in range(len(new) + 1):
        if number in dots:
            result.append(dots[number])
        if number < len(new) and number not in left_out:
            result.append(new[number])
    return result


def main() -> int:
    """Walk a page, say what differs, and write what was shown."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.docs.walks", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    parser.add_argument("--write", action="store_true", help="put what was shown into the page")
    parser.add_argument("--show", action="store_true", help="show all that was shown")
    typed = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="segmake-walks-") as folder:
        os.environ[places.KEPT] = str(Path(folder, "places"))
        fared = [
            _fared(path.resolve(), Path(folder, str(number)), typed)
            for number, path in enumerate(typed.pages)
        ]
    return int(not all(fared))


def _fared(path: Path, folder: Path, typed: argparse.Namespace) -> bool:
    """Walk a page, and return whether it is as it says."""
    page = read(path)
    if not page.place:
        print(f"{page.name}: no place: it is only checked (python -m tests.docs)")
        return True
    try:
        done = walk(page, empty_home(folder))
    except places.NotHere as reason:
        print(f"{page.name}: not walked here: {reason}")
        return True
    for each in done.blocks if typed.show else []:
        print(f"---- {page.at(each.block.line)} ({each.status})", *each.shown, sep="\n")
    if typed.write and (text := written(done)) != path.read_text(encoding="utf-8"):
        path.write_text(text, encoding="utf-8")
        print(f"{page.name}: what was shown is written: look at it")
    print(*done.faults or [f"{page.name}: as it says, {len(done.blocks)} blocks"], sep="\n")
    return not done.faults


def empty_home(folder: Path) -> Path:
    """Make a home of the name that the pages show, as far as their lines of output are as long."""
    home = folder / "home" / "jane"
    home.mkdir(parents=True)
    return home


if __name__ == "__main__":
    sys.exit(main())
