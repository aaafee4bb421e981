from __future__ import annotations

import difflib
import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from segmake.config.load import load_config
from segmake.config.schema import schema
from segmake.core.declared_steps import STEPS
from segmake.core.settings import Measurements
from segmake.labels.measurement import measure_cells, measure_volume
from segmake.messages import LANGUAGES, catalogue
from segmake.outcome.image_rows import IMAGE_COLUMNS
from segmake.plan.result_paths import ResultPaths
from segmake.slurm.fates import all_fates
from segmake.tools import reference
from segmake.tools.placeholders import PLACEHOLDERS
from tests.projects import ROOT
from tests.unit.all_settings import all_settings

CONFIG = ROOT / "config" / "config.yaml"
READMES = ["config/README.md", "config/README.fr.md"]
SECTIONS = schema()["properties"]


def without_code(page: str) -> str:
    return re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", list(reference.references()))
def test_generated_files_are_up_to_date(name: str) -> None:
    made = reference.references()[name].splitlines(keepends=True)
    there = (ROOT / name).read_text(encoding="utf-8").splitlines(keepends=True)
    drift = "".join(difflib.unified_diff(there, made, name, f"{name}, as it would be made"))
    assert not drift, f"{name} is out of date. Run: {reference.COMMAND}\n{drift}"


def test_write_reference_writes_every_file(tmp_path: Path) -> None:
    written = reference.write_reference(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == set(
        reference.references()
    )
    assert all(path.read_text(encoding="utf-8").endswith("\n") for path in written)


def test_references_do_not_depend_on_the_users_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    french = reference.references()
    monkeypatch.delenv("SEGMAKE_LANG")
    assert reference.references() == french
    assert "null (nothing)" in french["config/README.md"]
    assert "null (rien)" in french["config/README.fr.md"]


@pytest.mark.parametrize("name", READMES)
def test_config_readme_has_every_setting_and_no_title(name: str) -> None:
    page = without_code(reference.references()[name])
    # The Snakemake workflow catalog gives the page a title of its own.
    assert not re.search(r"^# ", page, re.MULTILINE)
    tables = {}
    for part in re.split(r"^### ", page, flags=re.MULTILINE)[1:]:
        heading, _, table = part.partition("\n")
        tables[heading.strip("`")] = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    (single,) = (keys for heading, keys in tables.items() if " " in heading)
    told = {f"{heading}.{key}" for heading, keys in tables.items() for key in keys} | {*single}
    for path, rule in all_settings(schema()):
        assert path in told or (path in tables and "properties" in rule), path


def test_both_config_readmes_have_the_same_tables() -> None:
    english, french = (reference.references()[name].splitlines() for name in READMES)
    assert len(english) == len(french)
    for line, other in zip(english, french, strict=True):
        assert line.count(" | ") == other.count(" | ")
        assert re.findall(r"^\| (`\w+` \| `.*?`)? ", line) == re.findall(
            r"^\| (`\w+` \| `.*?`)? ", other
        )


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_messages_has_every_code_under_a_heading_of_its_own(language: str) -> None:
    page = reference.messages_page(language)
    codes = [section for section in catalogue() if section.startswith("SM-")]
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted(codes)
    assert not re.search(r"[{}]", page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_on_jobs_has_every_row_of_the_table(language: str) -> None:
    page = reference.jobs_page(language)
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [re.split(r" (?<!\\)\| ", line) for line in lines]
    table = list(all_fates())
    # Each of the three parts has a heading and the line below it.
    assert len(rows) == len(table) + 2 * 3
    assert {len(row) for row in rows} == {4}
    assert not re.search(r"[{}]", page)


def test_placeholders_have_french_words() -> None:
    for code, entry in catalogue().items():
        if not code.startswith("SM-"):
            continue
        for texts in entry.values():
            for name in re.findall(r"\{(\w+)", texts["fr"]):
                keys = {f"{code}.{name}", f"{code.rpartition('-')[0]}.{name}", name}
                known = any("fr" in PLACEHOLDERS.get(key, {}) for key in keys)
                assert known, f"{code}: add {name!r} to tools/placeholders.py"


def test_markdown_in_messages_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"en": r"{name}: a * b < c \. in `{folder}` or `cp {name} *`"}
    entry = {"what": texts, "why": texts, "do": texts}
    monkeypatch.setattr(reference, "catalogue", lambda: {"SM-NEW-001": entry})
    page = reference.messages_page("en")
    assert r"*name*: a \* b \< c \\. in *folder* or `cp <name> *`" in page
    assert "## SM-NEW\n" in page


def test_config_has_no_problem() -> None:
    load_config(CONFIG)


def _columns_of_cells() -> set[str]:
    """Return every column that the table of cells can have."""
    properties = SECTIONS["measurements"]["properties"]["properties"]["items"]["enum"]
    settings = Measurements(properties=properties, background="local", neighbour_distance=1)
    labels = np.array([[0, 1], [1, 1]], np.uint16)
    plane = np.ones((2, 2))
    flat = measure_cells(labels, {"NAME": plane}, 0.1, settings)
    stack = {"NAME": np.stack([plane] * 2)}
    deep = measure_volume(np.stack([labels] * 2), stack, 0.1, 0.2, settings)
    movie = {"time", "time_s", "slice", "track", "parent"}
    return {"image", *movie, *flat.columns, *deep.columns}


def test_results_page_describes_every_column() -> None:
    page = (ROOT / "docs" / "reference" / "results.md").read_text(encoding="utf-8")
    _, images_part, cells_part = re.split(r"^## The table of .*$", page, flags=re.MULTILINE)
    for part, columns in (images_part, IMAGE_COLUMNS), (cells_part, _columns_of_cells()):
        rows = re.findall(r"^\| (`.+?) \|", part, re.MULTILINE)
        described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
        assert sorted(described) == sorted(columns)


def test_results_page_names_the_files_of_an_image() -> None:
    page = (ROOT / "docs" / "reference" / "results.md").read_text(encoding="utf-8")
    folders = ResultPaths(Path("results"))
    for step in STEPS:
        path = folders.outputs(step, "day1/pos3.nd2")[0].relative_to("results").as_posix()
        assert f"`{path}`" in page or path.startswith(".segmake/")
    assert f"`{folders.state.name}/`" in page


def test_lines_of_a_message_stay_lines() -> None:
    shown = MarkdownIt().render(reference.messages_page("en"))
    assert "How far the run is: segmake remote status<br />\nEarlier runs" in shown
    assert "packages:\n  git: [&quot;&lt;https://host/owner/&gt;&quot;]\n</code></pre>" in shown
