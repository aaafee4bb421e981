"""The benchmarks: that they can be run, that what is quoted of them is quoted rightly, and that it is told if not."""

from __future__ import annotations

import re
import socket
import sys

import pytest
from benchmarks import profiles, run
from benchmarks.house import Cost, Figure, Given, Way, figures, ratios
from benchmarks.quoted import QUOTES, Quote, unmet

from segmake.images.batches import number_of_batches
from tests.projects import ROOT

QUOTED = [(quote, page) for quote in QUOTES for page in quote.words]
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
LOOKS = ("a later look", "the first look")


@pytest.mark.parametrize(("quote", "page"), QUOTED, ids=[f"{q.row}-{p}" for q, p in QUOTED])
def test_what_is_quoted_stands_in_the_page(quote: Quote, page: str) -> None:
    said = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert quote.words[page] in said
    number = f"{quote.value:,.10g}"
    if page.endswith(".fr.md"):
        number = number.replace(",", " ").replace(".", ",")
    assert re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)", quote.words[page])


# What of the figures in the page on scale is multiplied, estimated, or measured once.
NOT_RUN_AGAIN = (
    *("800,000 files", "labels are 6 bytes", "add 0.2 GB", r"cells took [\d.]+ GB"),
    *("with 114 bytes", "as a whole, 15 bytes", r"Cellpose 3 takes 1\.1 GB, 12 bytes"),
    *(r"these are, multiplied, 2\.4 GB for cells of 30 pixels, and 12 GB", "gives 1 GB"),
    "one question in 15 seconds",
    "with 100,000 files",
)


def test_each_figure_in_the_page_on_scale_is_held_against_what_is_measured() -> None:
    page = (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    # What took hours and was run once has a section of its own, which says so.
    once = re.search(r"^## A run to its end$.*?(?=^## )", page, re.MULTILINE | re.DOTALL)
    assert once and "Run once" in once[0]
    said = " ".join(page.replace(once[0], "").split())
    quoted = (re.escape(quote.words.get("docs/scale.md", "")) for quote in QUOTES)
    held = {
        place
        for words in (*quoted, *NOT_RUN_AGAIN)
        for found in re.finditer(words, said)
        for place in range(*found.span())
    }
    figures = re.finditer(r"[\d.,]+ (times|bytes for a pixel|[MG]B|files|seconds)\b", said)
    assert [each[0] for each in figures if each.start() not in held] == []


def test_each_quote_is_of_a_benchmark_and_of_a_size_that_it_measures() -> None:
    for quote in QUOTES:
        row = run.row(quote.row)
        assert quote.size in row.SIZES, quote


def test_a_round_tells_what_it_measured_and_fails_where_a_quote_no_longer_holds(
    tmp_path, monkeypatch
) -> None:
    wrong = Quote("start", 12, "seconds", 0.001, {"README.md": ""}, to="bare Snakemake")
    right = Quote("start", 12, "seconds", 100, {"README.md": ""}, to="bare Snakemake")
    monkeypatch.setattr(run, "QUOTES", (wrong, right))
    out, kept = tmp_path / "RESULTS.md", tmp_path / "kept.json"
    words = ["--quick", "--only", "start", "--out", str(out), "--kept", str(kept)]
    monkeypatch.setattr(sys, "argv", ["run.py", *words])
    with pytest.raises(SystemExit) as ended:
        run.main()
    assert str(ended.value).count("\n") == 0
    assert "0.001 is quoted in README.md" in str(ended.value)
    text = out.read_text()
    assert "| 12 | SegMake |" in text and "| 12 | bare Snakemake |" in text
    # What was kept is not measured again, and the same is said of it.
    monkeypatch.setattr(run, "QUOTES", (right,))
    monkeypatch.setattr(run.row("start"), "measure", None)
    run.main()
    assert out.read_text() == text


def test_a_way_that_takes_minutes_is_run_once_and_held_against_the_same_round() -> None:
    costs = iter([Cost(2, 1), Cost(4, 1), Cost(6, 1), Cost(8, 1)])
    slow = Way("before", lambda: next(costs), once=True)
    ours, before = figures(1, [Way("SegMake", lambda: next(costs)), slow], 3)
    assert len(ours.costs) == 3 and len(before.costs) == 1
    assert ratios(ours, before) == [0.5]


def test_a_profile_is_of_what_segmake_does(monkeypatch) -> None:
    monkeypatch.setitem(profiles.SIZES, "status", 12)
    around = Given(before=ROOT)
    found = profiles.of_row("status", 12, around)
    assert set(found) == {f"{of}, {look}" for of in ("SegMake", "before") for look in LOOKS}
    text = profiles.page({"status": found}, around)
    assert text.count("| seconds | calls | function |") == 4
    for profile in found.values():
        assert any("segmake/outcome/" in file for file, _, _ in profile.stats)


def test_what_was_not_measured_is_said_and_not_failed() -> None:
    quote = Quote("cells", 10, "seconds", 1.0, {"README.md": ""}, to="numpy alone")
    alone = [Figure(10, "SegMake", (Cost(1, 1),)), Figure(10, "numpy alone", why_not="no numpy")]
    broken, unknown = unmet({"cells": alone}, [quote])
    assert not broken and len(unknown) == 1


def test_what_is_counted_may_not_grow() -> None:
    quote = Quote("calls", 10, "opens", 20, {"README.md": ""}, slack=0.05)
    for opens, holds in ((20, True), (21, True), (22, False)):
        found = {"calls": [Figure(10, "SegMake", (Cost(1, 1, {"opens": opens}),))]}
        assert unmet(found, [quote])[0] == [] if holds else unmet(found, [quote])[0]


def test_the_results_name_no_place_and_no_computer() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|tmp|home|root|opt|usr|mnt)\b", text)
    assert not re.search(r"https?://|\w+\.(?:internal|local|lan|corp)\b", text)
    host = socket.gethostname()
    assert len(host) < 4 or host not in text


def test_the_results_have_every_row() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    assert [name for name in run.ROWS if f"## {run.row(name).TITLE}" not in text] == []


@pytest.mark.parametrize(
    ("megapixels", "batches", "jobs"),
    [(512 * 512 / 1e6, 54, 108), (2048 * 2048 / 1e6, 216, 432), (50, 2_502, 5_004)],
)
def test_the_page_on_scale_says_how_many_jobs_there_are(megapixels, batches, jobs) -> None:
    assert number_of_batches(100_000 * megapixels, 18, 100_000) == batches
    assert jobs == 2 * batches
    for page, separator in (("docs/scale.md", ","), ("docs/scale.fr.md", " ")):
        row = f"| {batches:,} | {jobs:,} |".replace(",", separator)
        assert row in (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.long
def test_all_benchmarks_can_be_run(tmp_path, monkeypatch) -> None:
    out = tmp_path / "RESULTS.md"
    monkeypatch.setattr(sys, "argv", ["run.py", "--quick", "--out", str(out)])
    # What a quick round measures is too little to hold quotes against.
    monkeypatch.setattr(run, "QUOTES", ())
    run.main()
    assert "## " in out.read_text()
