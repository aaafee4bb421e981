"""How the steps of a first day are done, one after the other; here with steps of the tests' own, without a cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from segmake.cli import main
from segmake.firstday import course
from segmake.firstday.course import Wanted, do_day, listed
from segmake.firstday.day import Day
from segmake.firstday.nameless import Nameless
from segmake.firstday.step import NAMES, Figures, Skipped, Step
from segmake.messages import Problem
from tests.answers import held_to_its_schema

# Of SegMake's own, so that there is a text for each.
OWN = ("versions", "gpu", "speed", "time")


def first(day: Day, figures: Figures) -> None:
    (day.fresh("of") / "left.txt").write_text("something")
    figures["kernel"] = "6.1"


def second(day: Day, figures: Figures) -> None:
    figures["before"] = 1
    with day.minutes.reserve(day.step, 3) as spent:
        spent.used = 2.5


def third(day: Day, figures: Figures) -> None:
    figures["path"] = f"{Path.home()}/secret/x.tif"
    raise Skipped(Problem("SM-DAY-019"))


def fourth(day: Day, figures: Figures) -> None:
    raise KeyError(str(day.folder / "x"))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(*functions: Callable[[Day, Figures], None]) -> None:
        found = tuple(
            Step(name, do, gpu_minutes=3) for name, do in zip(OWN, functions, strict=False)
        )
        monkeypatch.setattr(course, "STEPS", found)

    return put


def outcomes(folder: Path) -> dict[str, str]:
    answer = held_to_its_schema(json.loads((folder / "firstday.json").read_text()))
    return {step["name"]: step["state"] for step in answer["steps"]}


def day(folder: Path, **wanted: object) -> tuple[int, str]:
    said: list[str] = []
    settings: dict = {"here": True, "gpu_minutes": 10, **wanted}
    return do_day(Wanted(folder, **settings), said.append), "\n".join(said)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_one_file_and_its_page_are_left(tmp_path, monkeypatch, steps, language) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", language)
    # Somebody who is called like a word of the form changes nothing of it.
    names = Nameless(["slurm", "gpu-user", language, "passed"], places={str(Path.home()): "~"})
    monkeypatch.setattr(course, "names_here", lambda *_, **__: names)
    steps(first, second, third, fourth)
    folder = tmp_path / 'été d\'un "jour"\n'
    code, said = day(folder)
    assert code == 1
    assert sorted(path.name for path in folder.iterdir()) == ["firstday.html", "firstday.json"]
    assert outcomes(folder) == {
        "versions": "passed",
        "gpu": "passed",
        "speed": "skipped",
        "time": "failed",
    }
    answer = json.loads((folder / "firstday.json").read_text())
    assert answer["gpu_minutes"] == {
        "agreed": 10,
        "used": 2.5,
        "jobs": [{"step": "gpu", "reserved": 3, "used": 2.5}],
    }
    # Not that of the step that could not be done.
    assert [problem["code"] for problem in answer["problems"]] == ["SM-DAY-007"]
    assert "SM-DAY-019" in said and "Traceback" not in said
    page = (folder / "firstday.html").read_text(encoding="utf-8")
    within = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert within and json.loads(within[1]) == answer
    both = page + (folder / "firstday.json").read_text()
    assert str(Path.home() / "secret") not in both and str(folder) not in both
    [place] = [one for one in answer["steps"][3]["figures"]["traceback"] if "fourth" in one]
    assert place.startswith("test_course.py:")


def test_it_goes_on_where_it_was_stopped(tmp_path, steps) -> None:
    done: list[str] = []

    def stopped(day: Day, figures: Figures) -> None:
        done.append("stopped")
        with day.minutes.reserve(day.step, 3):
            raise KeyboardInterrupt

    def noted(day: Day, figures: Figures) -> None:
        done.append("noted")

    folder = tmp_path / "day"
    steps(noted, stopped, noted)
    with pytest.raises(KeyboardInterrupt):
        day(folder)
    assert outcomes(folder) == {"versions": "passed", "gpu": "not_done", "speed": "not_done"}
    # What the job took that was interrupted is not known: all that it could have taken counts.
    assert json.loads((folder / "firstday.json").read_text())["gpu_minutes"]["used"] == 3
    steps(noted, noted, noted)
    code, _ = day(folder, gpu_minutes=None)
    assert code == 0 and done == ["noted", "stopped", "noted", "noted"]
    assert set(outcomes(folder).values()) == {"passed"}
    day(folder)
    assert len(done) == 4
    day(folder, only=["gpu"])
    assert len(done) == 5


def test_what_was_left_out_can_be_done_later(tmp_path, steps) -> None:
    folder = tmp_path / "day"
    steps(first, second)
    day(folder, skip=["gpu"])
    assert outcomes(folder) == {"versions": "passed", "gpu": "skipped"}
    day(folder)
    assert outcomes(folder) == {"versions": "passed", "gpu": "passed"}


def test_no_more_gpu_minutes_are_used_than_were_agreed(tmp_path, steps) -> None:
    folder = tmp_path / "day"
    steps(first, second, second)
    _, said = day(folder, gpu_minutes=4)
    assert outcomes(folder) == {"versions": "passed", "gpu": "passed", "speed": "skipped"}
    assert "SM-DAY-010" in said
    # More is agreed to: what was used before counts.
    day(folder, gpu_minutes=6)
    assert set(outcomes(folder).values()) == {"passed"}
    assert json.loads((folder / "firstday.json").read_text())["gpu_minutes"]["used"] == 5


def test_a_folder_with_something_else_is_left_alone(tmp_path, steps, monkeypatch, capsys) -> None:
    steps(first)
    monkeypatch.setenv("SEGMAKE_LANG", "en")
    (tmp_path / "thesis.txt").write_text("mine")
    words = ["firstday", "--here", "--gpu-minutes", "0", "--folder"]
    assert main([*words, str(tmp_path)]) == 1
    assert "SM-DAY-005" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "firstday.json").write_text('{"answer": "plan", "version": 1}')
    assert main([*words, str(tmp_path / "other")]) == 1
    assert "SM-DAY-005" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "thesis.txt"]


def test_two_at_once_do_not_meet(tmp_path, steps) -> None:
    folder = tmp_path / "day"

    def another(_: Day, figures: Figures) -> None:
        with pytest.raises(Problem) as found:
            day(folder)
        figures["code"] = found.value.code

    steps(another)
    assert day(folder)[0] == 0
    answer = json.loads((folder / "firstday.json").read_text())
    assert answer["steps"][0]["figures"] == {"code": "SM-DAY-006"}


def test_nobody_said_how_many_gpu_minutes(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    assert main(["firstday"]) == 1
    assert "SM-DAY-001" in capsys.readouterr().err
    assert main(["firstday", "--here"]) == 1
    assert "SM-DAY-003" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_list_says_what_each_step_proves_and_costs(monkeypatch, language, capsys) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", language)
    lines = list(listed())
    assert tuple(line.split("  (")[0] for line in lines[::2]) == NAMES
    assert all(line.startswith("  ") and line.endswith(".") for line in lines[1::2])
    with pytest.raises(SystemExit) as ended:
        main(["firstday", "--only", "speeed"])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and "SM-CMD-005" in said and "speeed" in said
