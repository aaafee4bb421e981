from __future__ import annotations

import io
import re
from base64 import b64decode
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from segmake.messages.numbers import brief
from segmake.report import cell_columns
from segmake.report.cell_columns import CellColumns
from segmake.report.distributions import cells_over_time, distributions, note_on_cells
from segmake.report.gallery import GALLERY_LIMIT, gallery
from segmake.report.page import Run, write_report
from tests.unit.peak_memory import peak_of

EVIL = "a/<script>alert('x')</script> \"q\" javascript:é\n#1%.tif"
RUN = Run(
    title="results <b>",
    started="2026-11-23T10:00:00",
    finished="2026-11-23T10:02:05",
    settings={"images": {"folder": "<i>"}, "segmentation": {"diameter": None}},
    engine="cellpose3",
    model="demo",
    versions={"numpy": "2.4"},
    device="CPU",
    command="snakemake --config 'a=</code>'",
    warnings=["</ul><img src=x>"],
)


class Page(HTMLParser):
    """What a browser would make of the page: its elements, and the text outside scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.tags[-1:] and self.tags[-1][0] not in ("script", "style"):
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def cards(self) -> list[str | None]:
        return [card["data-name"] for card in self.all("article") if card["class"] == "card"]


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "en")


@pytest.fixture
def thumbnails(tmp_path):
    pair = tmp_path / "b.jpg", tmp_path / "a.jpg"
    for path in pair:
        Image.new("L", (30, 20)).save(path)
    return lambda image: pair


def done(name: str, cells: int = 2, **more) -> dict:
    row = {"image": name, "state": "done", "cells": cells, "seconds": 1.5, "code": ""}
    return {**row, "mask": f"masks/{name}", "picture": f"pictures/{name}.png", **more}


def failed(name: str) -> dict:
    row = {"image": name, "state": "failed", "cells": pd.NA, "seconds": pd.NA, "mask": pd.NA}
    return {**row, "code": "SM-IMG-003", "message": "It is <cut> off.", "remedy": "Copy it again."}


def cells(n: int, um: float | None = None) -> pd.DataFrame:
    table = pd.DataFrame({"image": ["a.tif"] * n, "area_px": np.linspace(50.0, 250.0, n)})
    table["length_px"], table["width_px"] = 2.0 * table.area_px, 9.0
    for column, power in (("area", 2), ("length", 1), ("width", 1)):
        name = f"{column}_um2" if power == 2 else f"{column}_um"
        table[name] = pd.NA if um is None else table[f"{column}_px"] * um**power
    return table


def columns(folder: Path, table: pd.DataFrame) -> CellColumns:
    path = folder / "cells.parquet"
    # As the run writes it, a part at a time.
    table.to_parquet(path, row_group_size=2_000)
    return CellColumns(path)


def write(folder, rows, table, thumbnails, run: Run = RUN) -> Page:
    path, images = folder / "results" / "report.html", pd.DataFrame(rows, dtype=object)
    write_report(path, images=images, cells=columns(folder, table), thumbnails=thumbnails, run=run)
    return Page(path)


def test_names_and_texts_are_escaped_and_links_lead_to_the_files(tmp_path, thumbnails):
    page = write(tmp_path, [done(EVIL), failed(EVIL + "2")], cells(3), thumbnails)
    assert len(page.all("script")) == 2 and not page.all("i")
    assert "alert('x')</script>" not in page.source
    assert all(image["src"].startswith("data:image/jpeg") for image in page.all("img"))
    assert EVIL.replace("\n", "␊") in page.cards()
    links = [link["href"] for link in page.all("a")]
    assert {f"./masks/{EVIL}", f"./pictures/{EVIL}.png"} <= {unquote(link) for link in links}
    assert not any(set(link) & set("<>\"' \n") for link in links)
    assert "It is <cut> off." in page.text and "results <b>" in page.text


def test_a_name_that_is_no_text_does_not_stop_the_report(tmp_path, thumbnails):
    page = write(tmp_path, [done("caf\udce9.tif"), failed("\udcff.tif")], cells(1), thumbnails)
    assert "./masks/caf%E9.tif" in [link["href"] for link in page.all("a")]


def test_nothing_is_loaded_from_outside(tmp_path, thumbnails):
    page = write(tmp_path, [done("a.tif"), failed("b.tif")], cells(50), thumbnails)
    assert not page.all("link") and not page.all("iframe")
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "xlink:href", "poster", "data"):
            assert (attributes.get(name) or "data:").startswith(("data:", "#")), (tag, attributes)
        address = attributes.get("href") or ""
        assert ":" not in address or address.startswith("https://doi.org/"), (tag, attributes)
    assert not re.findall(r"url\((?!#)", page.source) and "@import" not in page.source


def test_failed_images_come_first_with_reason_and_remedy(tmp_path, thumbnails):
    page = write(tmp_path, [done("a.tif"), failed("b.tif"), done("c.tif")], cells(4), thumbnails)
    assert page.cards() == ["a.tif", "c.tif"]
    for text in ("b.tif", "It is <cut> off.", "Copy it again.", "SM-IMG-003"):
        assert page.text.index(text) < page.text.index("a.tif")
    assert "2 of 3 images" in page.text


def test_images_to_look_at_lead_to_their_pictures_and_their_cells_are_counted_apart(
    tmp_path, thumbnails
):
    out = {"left_out_because": "blurred"}
    rows = [done("a.tif", 8), done("b.tif", 5, flags="large_object"), done("c.tif", 7, **out)]
    page = write(tmp_path, rows, cells(13), thumbnails, replace(RUN, engine="threshold"))
    (card,) = [each for each in page.all("article") if each.get("data-name") == "b.tif"]
    assert [link for link in page.all("a") if link["href"] == f"#{card['id']}"]
    assert "; 5 of them in images to look at" in page.text
    assert "method: local" in page.text and "model for bacteria" not in page.text
    page = write(tmp_path, rows, cells(13), thumbnails)
    assert "method: local" not in page.text and "model for bacteria" in page.text


def test_whom_to_ask_is_said_with_the_failures_and_the_facts(tmp_path, thumbnails):
    run = replace(RUN, contact="Jo, room <3>")
    page = write(tmp_path, [done("a.tif"), failed("b.tif")], cells(4), thumbnails, run)
    assert page.text.count("Jo, room <3>") == 2
    assert page.text.index("Whom to ask: Jo") < page.text.index("It is <cut> off.")
    page = write(tmp_path, [done("a.tif")], cells(4), thumbnails, run)
    assert page.text.count("Jo, room <3>") == 1
    page = write(tmp_path, [done("a.tif"), failed("b.tif")], cells(4), thumbnails)
    assert "Whom to ask" not in page.text


def test_each_setting_has_where_it_comes_from(tmp_path, thumbnails):
    settings = {"cluster": {"partition": "gpu", "hours": 2}, "environments": {"a": {"python": 3}}}
    sources = {"cluster.partition": "site.yaml, line <2>", "environments": "config.yaml, line 9"}
    run = replace(RUN, settings=settings, sources=sources)
    page = write(tmp_path, [done("a.tif")], cells(4), thumbnails, run)
    for key, value, source in (
        ("partition", "gpu", "site.yaml, line &lt;2&gt;"),
        ("hours", "2", "default"),
        ("a.python", "3", "config.yaml, line 9"),
    ):
        row = rf"<code>{key}</code></th><td>{value}</td><td><small>{source}</small></td>"
        assert re.search(row, page.source)


def test_french(tmp_path, thumbnails, monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    rows = [done("a.tif", 1234, pixel_size_um=0.065), done("b.tif", 0)]
    page = write(tmp_path, rows, cells(40, 0.1), thumbnails)
    assert page.all("html") == [{"lang": "fr"}]
    assert "1\u202f234 cellules" in page.text and "0,065 µm par pixel" in page.text
    assert "0 cellule\u00a0:" in page.text and "Les 2 images ont été segmentées." in page.text


def test_an_image_without_cells_is_a_success(tmp_path, thumbnails):
    page = write(tmp_path, [done("a.tif", 0)], pd.DataFrame(), thumbnails)
    assert "The image was segmented. No cell was found." in page.text
    assert "0 cells: segmented, none found" in page.text
    assert not [name for name in page.all("article") if name["class"] == "failed"]


def test_all_failed_and_no_images_at_all(tmp_path):
    page = write(tmp_path, [failed("a.tif")], cells(0), lambda image: None)
    assert "No image could be segmented" in page.text and not page.cards()
    page = write(tmp_path, {"image": [], "state": []}, pd.DataFrame(), lambda image: None)
    assert "There was no image" in page.text


def test_sizes_are_in_micrometres_only_where_all_are_known(tmp_path, thumbnails):
    known, unknown = done("a.tif", pixel_size_um=0.1), done("b.tif", pixel_size_um=pd.NA)
    page = write(tmp_path, [known], cells(40, 0.1), thumbnails)
    assert "Cell area (µm²)" in page.text and "px²" not in page.text
    both = pd.concat([cells(40, 0.1), cells(40)])
    page = write(tmp_path, [known, unknown], both, thumbnails)
    assert "Cell area (px²)" in page.text and "only 1 of 2 images" in page.text
    page = write(tmp_path, [unknown], cells(40).filter(regex="image|_px"), thumbnails)
    assert "Cell length (px)" in page.text and "do not tell their pixel size" in page.text


def test_a_missing_thumbnail_is_no_obstacle(tmp_path):
    gone = tmp_path / "gone.jpg"
    page = write(tmp_path, [done("a.tif")], cells(2), lambda image: (gone, gone))
    assert page.cards() == ["a.tif"] and "No picture was made." in page.text


def test_a_large_run_shows_an_even_selection(tmp_path, thumbnails):
    rows = [done(f"t{n}.tif") for n in range(1000, 0, -1)] + [failed(f"f{n}") for n in range(30)]
    page = write(tmp_path, rows, cells(2), thumbnails)
    shown = page.cards()
    assert len(shown) == GALLERY_LIMIT and shown[0] == "t1.tif" and shown[-1] == "t1000.tif"
    assert "300 of the 1,000 segmented images" in page.text
    assert all(f"f{n}" in page.text for n in range(30))


def test_what_was_taken_of_an_image_is_said(tmp_path, thumbnails):
    rows = [
        done("a.nd2 (p10)", selection="channel 2 (GFP) of 3", channel="GFP", corrected=True),
        done("a.nd2 (p2)", selection="channel 2 (GFP) of 3", corrected=False, position="B7"),
        done("b.tif", selection="all 11 slices", corrected=pd.NA, left_out=3, warning=np.nan),
        done("c.tif", selection=np.nan, corrected=None, acquired="2026-11-23T10:00:00"),
    ]
    run = replace(RUN, not_selected=["17 positions"])
    page = write(tmp_path, rows, cells(3), thumbnails, run)
    assert page.cards() == ["a.nd2 (p2)", "a.nd2 (p10)", "b.tif", "c.tif"]
    assert page.text.count("channel 2 (GFP) of 3") == 3  # two cards, and what was run
    assert page.text.count("corrected by hand") == 1
    for text in ("position B7", "2026-11-23 10:00", "3 of them are left out", "17 positions"):
        assert text in page.text
    assert "channel GFP" not in page.text and "nan" not in page.text.lower().split()


def test_warnings_about_images_are_told_once_with_the_images(tmp_path, thumbnails):
    rows = [done(f"{n}.jpg", warning="A JPEG.") for n in range(1, 8)]
    page = write(tmp_path, [*rows, done("a.tif")], cells(3), thumbnails)
    notes = " ".join(page.text[: page.text.index("Drag over")].split())
    assert "A JPEG. 1.jpg, 2.jpg, 3.jpg and 4 more" in notes and notes.count("A JPEG.") == 1


def test_movies_are_counted_over_time(tmp_path, thumbnails):
    """Cell 1 of a.tif is at times 1 to 4, cell 2 at 3; b.tif has cells at 1 and 4 alone; c.tif is no movie."""
    table = pd.DataFrame({"image": list("aaaaabbbc"), "time": [1, 2, 3, 4, 3, 1, 4, 4, 1]})
    table["area_px"], table["volume_um3"] = 50, np.linspace(1, 2, 9)
    first, second = cells_over_time(columns(tmp_path, table))
    assert first.to_dict() == {1: 1, 2: 1, 3: 2, 4: 1}
    assert second.to_dict() == {1: 1, 2: 0, 3: 0, 4: 2}
    rows = [done("a", 5, tracks=2, divisions=1, movie="overlays/a é.webp"), done("b"), done("c")]
    page = write(tmp_path, rows, table, thumbnails)
    for text in ("5 cells · 2 tracks · 1 division", "median of 2 movies", "Cell volume (µm³)"):
        assert text in page.text
    assert "counted at every time point" in page.text and "Time point" in page.text
    page = write(tmp_path, rows, table.assign(time_s=300.0 * (table.time - 1)), thumbnails)
    assert "Time (min)" in page.text and "Time point" not in page.text
    assert "./overlays/a%20%C3%A9.webp" in [link["href"] for link in page.all("a")]


@pytest.mark.parametrize("times", [[1, 1, 1], [5, 5, 5], [pd.NA, pd.NA, pd.NA]])
def test_no_movie_no_curve(tmp_path, thumbnails, times):
    page = write(tmp_path, [done("a.tif", 3)], cells(3).assign(time=times), thumbnails)
    assert "Time point" not in page.text


def test_memory_does_not_grow_with_the_cells(tmp_path, monkeypatch):
    """But for one column of numbers: the table of a million cells has thirty."""
    monkeypatch.setattr(cell_columns, "_ROWS", 2_000)
    tables = {}
    for n in (20_000, 40_000):
        table = cells(n, 0.1).assign(**{f"other{place}": 1.0 for place in range(10)})
        (tmp_path / str(n)).mkdir()
        tables[n] = columns(tmp_path / str(n), table.assign(time=1, time_s=0.0))
    read_all(tables[20_000])
    few, many = (peak_of(partial(read_all, table)) for table in tables.values())
    # Eight bytes for each value of one column, and what is known of each; whole rows have 150.
    assert many - few < 40 * 20_000


def read_all(table: CellColumns) -> None:
    movies = cells_over_time(table)
    plots, summary = distributions([], table, movies)
    assert len(plots) == len(summary) == 3
    note_on_cells([], table, movies)


def test_figures_are_those_of_all_cells(tmp_path):
    """Not of a sample, whatever parts they are read in: 200,000 cells are in several."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"image": "a.tif", "area_px": random.lognormal(5, 1, 200_000)})
    table.loc[7, "area_px"] = np.nan
    plots, (row,) = distributions([], columns(tmp_path, table), [])
    known = table.area_px.dropna().to_numpy()
    low, high = np.percentile(known, (5, 95))
    assert row["n"] == "199,999" and row["median"] == brief(np.median(known))
    assert row["range"] == f"{brief(low)} – {brief(high)}"
    larger = (known > 1.5 * np.percentile(known, 99)).sum()
    assert f"{larger} much larger values" in plots[0]["note"]


def test_pictures_are_made_smaller_where_there_are_many(tmp_path, monkeypatch):
    """Both of an image alike, and only as many as have room; those to look at are shown before others."""
    noise = np.random.default_rng(0)
    pairs = {}
    for n in range(20):
        pairs[f"{n}.tif"] = pair = tmp_path / f"{n}.before.jpg", tmp_path / f"{n}.after.jpg"
        for path, channels in zip(pair, ((), (3,)), strict=True):
            Image.fromarray(noise.integers(0, 255, (280, 420, *channels), np.uint8)).save(path)
    (tmp_path / "3.after.jpg").write_bytes(b"damaged")
    rows = [done(f"{n}.tif", flags="edge" if n > 12 else "") for n in range(20)]
    whole = gallery(rows, pairs.get)
    assert not whole.notes and len(whole.cards) == 20
    sizes = {}
    for most in (1_000_000, 10_000):
        monkeypatch.setattr("segmake.report.gallery.MOST_BYTES", most)
        page = write(tmp_path, rows, cells(3), pairs.get)
        assert page.cards()[:7] == [f"{n}.tif" for n in range(13, 20)] and len(page.cards()) == 20
        assert len(page.source) < 1.4 * most + 150_000
        pictures = [b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
        sizes[most] = {Image.open(io.BytesIO(picture)).size for picture in pictures}
        assert all(image["loading"] == "lazy" for image in page.all("img"))
        assert len(sizes[most]) == 1 and "the longer side of the pictures" in page.text
    assert max(sizes[1_000_000]) > max(sizes[10_000])
    # At their smallest, noise takes more room than there is; what is left out is said, and the first have it.
    assert 0 < len(pictures) < 38 and "There was no room for the pictures of" in page.text


def test_images_to_look_at_are_never_left_out_for_others(tmp_path, thumbnails):
    rows = [done(f"t{n}.tif", flags="edge" if n % 3 == 0 else "") for n in range(600)]
    page = write(tmp_path, rows, cells(2), thumbnails)
    assert page.cards()[:200] == [f"t{n}.tif" for n in range(0, 600, 3)]
    assert "300 of the 600 segmented images are shown: all those to look at (200)" in page.text
    rows = [done(f"t{n}.tif", flags="edge" if n % 30 == 0 else "") for n in range(600)]
    page = write(tmp_path, rows, cells(2), thumbnails)
    assert {f"t{n}.tif" for n in range(0, 600, 30)} < set(page.cards())
    assert len(page.cards()) == 300 and "(20), and 280 of the others" in page.text
    assert "All cells and all images count" in page.text
    assert page.cards() == write(tmp_path, rows, cells(2), thumbnails).cards()
    rows = [done(f"t{n}.tif", flags="edge" if n < 300 else "") for n in range(400)]
    page = write(tmp_path, rows, cells(2), thumbnails)
    assert "all those to look at, and none of the others" in page.text


def test_the_page_has_an_end_whatever_the_number_of_images(tmp_path, monkeypatch):
    """Each image that failed has words of its own, as where a path is in them; each flagged one a warning."""
    for name in (
        "page.NAMES_LIMIT",
        "page.NOTES_LIMIT",
        "gallery.LOOKS_LIMIT",
        "gallery.GALLERY_LIMIT",
    ):
        monkeypatch.setattr(f"segmake.report.{name}", 20)
    rows = [{**failed(f"f{n}"), "message": f"No {n}."} for n in range(30)]
    rows += [{**failed(f"g{n}"), "message": "It is cut off."} for n in range(30)]
    rows += [done(f"t{n}", flags="edge", warning=f"See {n}.") for n in range(30)]
    page = write(tmp_path, rows, cells(2), lambda name: None)
    more = write(tmp_path, [*rows, *(failed(f"h{n}") for n in range(99))], cells(2), lambda _: None)
    assert len(more.source) < len(page.source) + 2000
    for words in (
        "10 more are not named here; images.csv names all.",
        "29 more are not named here",
        "11 more are not named here",
        "10 more remarks on single images are in images.csv",
        "20 of the 30 images to look at are shown",
    ):
        assert words in page.text, words


def test_images_of_a_rare_kind_are_named_beside_very_many_of_another(tmp_path, monkeypatch):
    monkeypatch.setattr("segmake.report.page.NAMES_LIMIT", 20)
    rows = [done(f"t{n}", flags="edge") for n in range(60)]
    rows += [done(f"r{n}", flags="saturated") for n in range(3)]
    page = write(tmp_path, rows, cells(2), lambda name: None)
    named = page.text[: page.text.index("Drag over")].split()
    assert [word for word in named if re.fullmatch(r"r\d", word)] == ["r0", "r1", "r2"]
    assert "43 more are not named here" in page.text and page.text.count("not named here") == 1


def test_so_many_movies_are_drawn(tmp_path):
    table = pd.DataFrame({"image": [f"{n // 2:03}" for n in range(300)], "time": [1, 2] * 150})
    found = columns(tmp_path, table)
    movies = cells_over_time(found)
    rows = [done(f"{n:03}", n) for n in range(150)]
    plots, _ = distributions(rows, found, movies)
    (note,) = [plot["note"] for plot in plots if "movies" in plot["note"]]
    assert note.startswith("100 of the 150 movies are drawn, chosen evenly")
