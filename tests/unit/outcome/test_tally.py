"""How far a run is, counted in its journals: what is new alone, whatever becomes of journals and of the cache."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from segmake.core.declared_steps import SEGMENT, STEPS
from segmake.core.journal import Journal
from segmake.outcome import tally as module
from segmake.outcome.progress import progress_of
from segmake.outcome.tally import Tally, tally
from segmake.plan.overview import Overview, Work, journal_sizes, read_overview, write_overview
from tests.unit.system_calls import bytes_read, counted

NAMES = ["a", 'b", "event": "done", "key": "', "d\u00e9j\u00e0 (p2)", "line\nbreak", "\udcff", "f"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "segmake" / "status"


class Run:
    """A run of one batch with six images, of which some were done before."""

    def __init__(self, state: Path, before: int = 0) -> None:
        self.state = state
        self.journals = {step: Journal(state / step / "0001.jsonl") for step in STEPS}
        for name in NAMES[:before]:
            self.do(name)
        sizes = journal_sizes(state)
        works = [self._work(step, sizes, len(NAMES) - before) for step in STEPS]
        self.overview = Overview("1.5", 1.5, len(NAMES), "config", "", "", {}, tuple(works))

    def _work(self, step: str, sizes: dict[str, int], to_do: int) -> Work:
        name = f"{step}/0001.jsonl"
        return Work("0001", step, False, len(NAMES), to_do, name, sizes.get(name, 0))

    def do(self, name: str, *steps: str, event: str = "done") -> None:
        for step in steps or STEPS:
            self.journals[step].add(name, "started", "key", 1)
            why = {"code": "SM-IMG-002", "where": name, "values": {"a": 1}}
            self.journals[step].add(name, event, "key", 1, **(why if event == "failed" else {}))

    def look(self) -> Tally:
        return tally(self.overview, self.state)

    def told(self) -> tuple[int, int, int]:
        progress = progress_of(self.look())
        return progress.segmented, progress.complete, progress.failed


def test_names_of_all_kinds_are_counted_and_the_last_end_of_an_image_counts(tmp_path: Path) -> None:
    run = Run(tmp_path / "state", before=2)
    assert run.told() == (2, 2, 0)
    for name in NAMES[2:]:
        run.do(name, "segment")
    assert run.told() == (6, 2, 0)
    for name in NAMES[2:]:
        run.do(name, "masks", "measure", event="failed" if name == "f" else "done")
        run.do(name, "overlay")
    assert run.told() == (6, 5, 1)
    failures = run.look().seen["measure/0001.jsonl"].failures
    assert failures == {"f": ["SM-IMG-002", "f", {"a": 1}]}
    run.do("f", "masks", "measure")
    assert run.told() == (6, 6, 0)


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path / "state")
    run.do("a")
    run.look()
    read: list[bytes] = []
    count = module._count_lines
    monkeypatch.setattr(
        module,
        "_count_lines",
        lambda lines, seen, timed: (read.append(lines), count(lines, seen, timed=timed)),
    )
    assert run.told() == (1, 1, 0) and not read
    os.utime(tmp_path / "state" / "segment" / "0001.jsonl", (2e9, 2e9))
    assert run.told() == (1, 1, 0) and not read
    run.do("f", "segment")
    assert run.told() == (2, 1, 0)
    assert b'"a"' not in b"".join(read) and len(read) == 1


@pytest.mark.parametrize("number", [10, 2000])
def test_a_later_look_reads_as_much_however_many_lines_there_are(tmp_path, number) -> None:
    run, chance = Run(tmp_path / "state"), random.Random(0)
    for journal in run.journals.values():
        lines = [line_of(str(image), "done", chance) for image in range(number)]
        journal.path.parent.mkdir(parents=True)
        journal.path.write_text("".join(f"{line}\n" for line in lines))
    run.look()
    # What was kept is read, and no journal is opened.
    assert counted(run.look)["open"] == 1
    run.do("f", "segment")
    assert bytes_read(run.look) < 4_000


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_half_a_line_counts_once_it_is_whole(tmp_path: Path, monkeypatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)
    run = Run(tmp_path / "state")
    run.do("a", "segment")
    journal = tmp_path / "state" / "segment" / "0001.jsonl"
    whole = journal.read_bytes()
    for end in (len(whole) - 1, len(whole) - 40, len(whole)):
        journal.write_bytes(whole[:end])
        assert run.told()[0] == (end == len(whole))
    # A process that was killed left half a line, which the next one has ended.
    journal.write_bytes(whole + whole[-90:-10] + b"\n" + whole)
    assert run.look().seen["segment/0001.jsonl"].done == 2


def test_a_journal_that_is_another_one_is_read_anew(tmp_path: Path) -> None:
    run = Run(tmp_path / "state")
    for name in NAMES:
        run.do(name)
    assert run.told() == (6, 6, 0)
    journal = tmp_path / "state" / "segment" / "0001.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    # Shortened.
    journal.write_bytes(b"".join(lines[:4]))
    assert run.told()[0] == 2
    # Written over in place by more of other lines.
    journal.write_bytes(b"".join(lines[4:]))
    assert run.told()[0] == 4
    # Replaced by another file.
    other = journal.with_name("other")
    other.write_bytes(b"".join(lines[:10]))
    os.replace(other, journal)
    assert run.told()[0] == 5
    journal.unlink()
    assert run.told()[0] == 5, "one that is gone says nothing new"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: b"",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace(b'"a"', b'"z"', 1)[:-1] + b"]",
        lambda text: b"\xff" * 100,
        lambda text: text.partition(b"\n")[0] + b"\n[]",
        lambda text: text.replace(b"0001", b"0002"),
    ],
)
def test_a_cache_that_is_damaged_is_passed_over(cache: Path, tmp_path: Path, spoil) -> None:
    run = Run(tmp_path / "state")
    run.do("a")
    run.do("f", "segment", event="failed")
    assert run.told() == (1, 1, 1)
    [kept] = cache.iterdir()
    kept.write_bytes(spoil(kept.read_bytes()))
    assert run.told() == (1, 1, 1)


def test_a_cache_of_another_run_user_or_version_is_passed_over(cache, tmp_path, monkeypatch):
    run = Run(tmp_path / "state")
    run.do("a")
    for change in (
        lambda: monkeypatch.setattr(module, "_FORMAT", 99),
        lambda: monkeypatch.setattr(os, "geteuid", lambda: 12345),
        lambda: setattr(run, "overview", run.overview._replace(run="2.5")),
    ):
        assert run.told() == (1, 1, 0)
        [kept] = cache.iterdir()
        # What is wrong in it would be believed.
        text = kept.read_bytes().partition(b"\n")[2].replace(b", 1, {}, {", b", 5, {}, {")
        kept.write_bytes(b"%d\n%b" % (module.crc32(text), text))
        assert run.told()[0] == 5
        change()
        assert run.told() == (1, 1, 0)
        monkeypatch.undo()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_two_looks_at_once_do_not_spoil_the_cache(tmp_path: Path) -> None:
    run = Run(tmp_path / "state")
    told: list[int] = []

    def look() -> None:
        for _ in range(20):
            told.append(run.told()[0])

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for name in NAMES:
        run.do(name)
    for thread in threads:
        thread.join()
    assert len(told) == 60 and set(told) <= set(range(7))
    assert run.told() == (6, 6, 0)


def test_where_nothing_can_be_kept_all_is_counted_each_time(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    run = Run(tmp_path / "state")
    run.do("a")
    assert run.told() == run.told() == (1, 1, 0)


def test_an_overview_is_read_as_it_was_written(tmp_path: Path) -> None:
    overview = Run(tmp_path / "state", before=3).overview
    path = tmp_path / "overview.json"
    write_overview(overview, path)
    assert read_overview(path) == overview
    values = json.loads(path.read_text())
    for other in ({**values, "format": 99}, {"format": 1}, []):
        path.write_text(json.dumps(other))
        assert read_overview(path) is None


def test_it_counts_what_a_reader_of_each_line_would_count(tmp_path: Path, monkeypatch) -> None:
    chance = random.Random(5)
    apart: list[bytes] = []
    note = module._note_failure
    monkeypatch.setattr(
        module, "_note_failure", lambda line, seen: (apart.append(line), note(line, seen))[1]
    )
    for number in range(200):
        monkeypatch.setattr(module, "_BLOCK", chance.choice([100, 1000, 1 << 17]))
        journal = tmp_path / f"{number}.jsonl"
        faults = chance.choice([0, 0.3])
        events = chance.choices(["started", "done", "failed"], [1, 1, faults], k=30)
        lines = [line_of(chance.choice(NAMES), event, chance) for event in events]
        # A process that is killed leaves half a line, which the next one ends.
        cut = chance.choice([0, 0.1])
        whole = [
            line[: chance.randrange(1, len(line) - 5)] if chance.random() < cut else line
            for line in lines
        ]
        journal.write_text("".join(f"{line}\n" for line in whole))
        apart.clear()
        work = Work("0001", chance.choice([*STEPS]), False, 9, 9, journal.name, 0)
        seen = module._count(journal, work, None)
        done, failed, ended = read_by_line(journal)
        assert (seen.done, set(seen.failures)) == (done, failed)
        assert sum(seen.recent.values()) == (ended if work.step == SEGMENT else 0)
        # Nothing else is taken apart, however long it is.
        assert len(apart) == sum(
            '"event": "failed"' in line and line.endswith("}") for line in whole
        )


def line_of(name: str, event: str, chance: random.Random) -> str:
    details = {"code": "SM-IMG-002", "where": "", "values": {}} if event == "failed" else {"a": {}}
    when = time.time() - chance.random()
    return json.dumps({"image": name, "event": event, "key": "k", "time": when, "details": details})


def read_by_line(journal: Path) -> tuple[int, set[str], int]:
    """Return how many attempts ended well, what failed in the end, and how many attempts ended."""
    done, failed, ended = 0, set(), 0
    for line in journal.read_text().splitlines():
        with suppress(ValueError):
            values = json.loads(line)
            ended += values["event"] in ("done", "failed")
            if values["event"] == "done":
                done += 1
                failed.discard(values["image"])
            elif values["event"] == "failed":
                failed.add(values["image"])
    return done, failed, ended
