from __future__ import annotations

from pathlib import Path

import pytest

from segmake.messages import catalogue
from segmake.updates.kinds import of_experiment, of_home, of_installation
from tests.projects import ROOT


@pytest.fixture(autouse=True)
def shared(site_file, tmp_path) -> None:
    site_file(f"folders: {{environments: {tmp_path}}}\n")


def names() -> list[str]:
    made = [*of_experiment(Path("a"), Path("a/results")), *of_installation(), *of_home()]
    return [kind.name for kind in made]


@pytest.mark.parametrize("page", ["what-to-delete.md", "what-to-delete.fr.md"])
def test_the_page_names_every_kind(page: str) -> None:
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    assert [name for name in names() if f"`{name}`" not in text] == []


def test_every_kind_but_the_engines_is_said_in_words() -> None:
    engines = {file.stem for file in (ROOT / "workflow" / "envs").glob("*.yaml")}
    known = {section.removeprefix("space.kind.") for section in catalogue()}
    assert set(names()) - engines <= known


def test_no_kind_is_in_two_places() -> None:
    assert len(names()) == len(set(names()))
