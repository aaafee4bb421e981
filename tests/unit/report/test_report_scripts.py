from __future__ import annotations

import base64
import io
import os
import re
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from segmake.core import installation
from segmake.report.cell_columns import CellColumns
from segmake.report.embedded_pictures import embedded
from segmake.report.fragment import LONGEST_TEXT, read_fragment
from segmake.report.page import Run, write_report
from segmake.report.scripts import PICTURES_LIMIT
from segmake.runner.script_products import Summary
from segmake.scripts.results.outcome import Failure, ScriptResults

RUN = Run(
    title="t",
    started="2026-11-23T10:00:00",
    finished="2026-11-23T10:02:05",
    settings={},
    engine="cellpose3",
    model="demo",
    versions={},
    device="CPU",
    command="snakemake",
)
VOID = {"br", "hr", "img", "input", "meta", "link", "col"}


class Page(HTMLParser):
    """The elements of a page, its text, and what was open where."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.inside: dict[str, list[str]] = {}
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if name := dict(attrs).get("id"):
            assert name not in self.inside
            self.inside[name] = list(self.open)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] and self.open[-1] not in ("script", "style"):
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def links(self) -> list[str]:
        return [unquote(link["href"] or "") for link in self.all("a") if "href" in link]


@pytest.fixture(autouse=True)
def english(monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "en")


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "results"
    (folder / "scripts" / "growth").mkdir(parents=True)
    return folder


def script(results: Path, **more: Any) -> ScriptResults:
    plain = ScriptResults(
        name="growth",
        file="growth.py",
        kind="image",
        runs=300,
        done=300,
        waiting=0,
        seconds=2.0,
        failures=(),
        tables=("scripts/growth/all_growth.csv",),
        folder="scripts/growth",
        pictures=(),
        section=None,
        results=results,
    )
    return replace(plain, **more)


def failure(run: str = "a.tif", said: str = "", **more: Any) -> Failure:
    log = f"scripts/growth/logs/{run}.log"
    plain = Failure(run, "SM-SCR-031", "It <ended>.", f"See results/{log}: `fix`.", said, log, 1)
    return replace(plain, **more)


def write(results: Path, *scripts: ScriptResults, images: tuple[str, ...] = ("done",)) -> Page:
    columns = ("image", "state", "cells", "seconds")
    rows = [dict(zip(columns, (f"{n}.tif", s, 1, 1.0), strict=True)) for n, s in enumerate(images)]
    path, cells = results / "report.html", results.with_name("cells.parquet")
    pd.DataFrame().to_parquet(cells)
    write_report(
        path,
        images=pd.DataFrame(rows, columns=list(columns), dtype=object),
        cells=CellColumns(cells),
        thumbnails=lambda image: None,
        run=RUN,
        scripts=scripts,
    )
    return Page(path.read_text(encoding="utf-8"))


def picture(path: Path, size: tuple[int, int] = (30, 20), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "red").save(path, **options)
    return path


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_without_scripts_nothing_is_said_of_them(results):
    page = write(results)
    assert "scripts" not in page.inside and "Your scripts" not in page.text


def test_how_the_runs_went(results):
    page = write(results, script(results, done=297, waiting=2, failures=[failure()]))
    for words in ("297 of 300 images done", "1 FAILED", "2 waiting", "2.0\u00a0s per image"):
        assert words.replace("\u00a0", " ") in page.words.replace("\u00a0", " ")
    assert {"./scripts/growth/", "./scripts/growth/all_growth.csv"} <= set(page.links())
    assert {"scripts", "failed", "script-1"} <= set(page.inside) and "#scripts" in page.links()
    assert "A script failed: growth (1 of 300 images)." in page.words
    assert [p["class"] for p in page.all("p") if "verdict" in (p.get("class") or "")] == [
        "verdict mixed"
    ]


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("once", {"done": 1}, "Done in 2.0"),
        ("once", {"done": 1, "seconds": None}, "Done"),
        ("dataset", {"done": 1, "inputs": [("", 16, 20)]}, ", on 16 of 20 images"),
        ("dataset", {"done": 0, "waiting": 1, "inputs": [("", 0, 20)]}, "Not run"),
        ("dataset", {"done": 0, "failures": [failure("")]}, "FAILED"),
        ("dataset", {"done": 0, "waiting": 1}, "Not run"),
        ("sweep", {"runs": 12, "done": 7}, "7 of 12 runs done, 5 not run yet"),
    ],
)
def test_each_kind_has_its_words(results, kind, more, words):
    page = write(results, script(results, **{"kind": kind, "runs": 1, **more}))
    assert words in page.words


def test_what_the_runs_took_and_made(results):
    known = Summary(judged=300, opened=299, files=300, bytes=1500, noted=300, same=300, gone=2)
    page = write(results, script(results, done=298, evidence=known))
    for words in (
        "299 of 300 runs opened what they were given; 300 files, 1.50 kB made",
        "300 of 300 runs made the same, byte for byte",
        "2 whose results have disappeared",
    ):
        assert words in page.words
    # They are neither failed nor waiting.
    assert "waiting" not in page.words and "not run yet" not in page.words


def test_words_that_many_runs_end_with_are_there_once(results):
    said = "Traceback\n  in measure\nKeyError: 'area' of {}"
    many = [failure(f"cell_{n}.tif", said.format(f"cell_{n}.tif")) for n in range(30)]
    page = write(results, script(results, failures=[*many, failure("x.tif", "ValueError: other")]))
    assert page.words.count("in measure") == 1 and "ValueError: other" in page.words


def test_failures_are_grouped_and_the_path_of_the_log_keeps_none_apart(results):
    many = [failure(f"{n}.tif", f"line\nValueError: {n}") for n in range(30)]
    whole = str(results / "scripts/growth/logs/x.log")
    other = failure("x", "", message=f"Other: {whole}", attempt=3)
    page = write(results, script(results, failures=[*many, other], done=269))
    groups = [a for a in page.all("article") if a["class"] == "failed runs"]
    assert len(groups) == 2 and "See the log below" in page.words and "× 30" in page.text
    assert "Other: the log below" in page.words and "(attempt 3)" in page.words
    assert "Show 10 more" in page.words and len(page.all("pre")) == 30
    assert all(f"./scripts/growth/logs/{n}.tif.log" in page.links() for n in range(30))


def test_failures_that_need_different_things_each_say_so(results):
    two = [failure(n, remedy=f"Look into {n}.") for n in ("left", "right")]
    page = write(results, script(results, failures=two))
    assert "Look into left." in page.words and "Look into right." in page.words
    assert len([a for a in page.all("article") if a["class"] == "failed runs"]) == 1


def test_a_great_many_failures_keep_the_page_small(results):
    many = [failure(f"{n}.tif", "x" * 4000) for n in range(5000)]
    page = write(results, script(results, kind="sweep", runs=5000, done=0, failures=many))
    assert len(page.source) < 1_500_000 and "1999.tif" in page.text and "2000.tif" not in page.text
    assert "× 5,000" in page.text
    assert (
        "3,000 more failed runs are not named here; the logs of all are in logs/scripts/growth/."
        in page.words
    )
    own = [failure(f"{n}.tif", message=f"No {n}.") for n in range(5000)]
    page = write(results, script(results, kind="sweep", runs=5000, done=0, failures=own))
    assert "No 1999." in page.text and "No 2000." not in page.text and "3,000 more" in page.text


def test_a_log_may_have_any_characters(results):
    said = "\x1b[31mred\x1b[0m\r\n 10%\r100%\n</pre><script>x</script>\x00\udcff\ud800\u202e\tend"
    page = write(results, script(results, failures=[failure("\udcff\ud800", said)]))
    assert "red\n100%\n</pre><script>x</script>␀" in page.text and "end" in page.text
    assert len(page.all("script")) == 2 and "10%\r" not in page.text


def test_names_are_escaped(results):
    evil = "<b onclick=x>\"'&"
    page = write(results, script(results, name=evil, file=evil, failures=[failure(evil)]))
    assert evil in page.text and not any("onclick" in attributes for _, attributes in page.tags)


@pytest.mark.parametrize(
    ("done", "failures", "kind", "words"),
    [
        (12, 0, "good", "All 12 runs of your scripts went well."),
        (10, 2, "mixed", "10 of 12 runs of your scripts went well. A script failed: growth (2"),
        (0, 12, "bad", "None of the 12 runs of your scripts went well."),
    ],
)
def test_a_page_without_images_is_about_the_runs(results, done, failures, kind, words):
    failed = [failure(f"seed={n}") for n in range(failures)]
    sweep = script(results, kind="sweep", runs=12, done=done, failures=failed)
    page = write(results, sweep, images=())
    assert f"verdict {kind}" in page.source and words in page.words
    assert not {"gallery", "plots"} & set(page.inside) and "no image" not in page.words.lower()
    assert "#gallery" not in page.links() and "Cellpose" not in page.words
    assert "runs doneof 12" in page.words and "median" not in page.words.partition("What was")[0]


def test_failed_images_and_failed_scripts_stand_together(results):
    page = write(results, script(results, failures=[failure()]), images=("done", "failed"))
    assert "1 of 2 images" in page.words and "A script failed" in page.words
    assert "Failed images (1)" in page.words and "Failed runs of your scripts (1)" in page.words
    page = write(results, script(results, done=299, waiting=1), images=("done",))
    assert "verdict mixed" in page.source and "missing: growth (1 of 300 images)." in page.words
    assert "failed" not in page.inside


def test_french(results, monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    done = script(results, kind="sweep", runs=12, done=11, failures=[failure()])
    page = write(results, done, images=())
    assert "11 exécutions sur 12 terminées" in page.words and "1 EN ÉCHEC" in page.words
    assert "Vos scripts" in page.words and "Un script a échoué" in page.words


# Pictures


def test_pictures_are_spread_over_the_runs(results):
    folder = results / "scripts" / "growth"
    made = [
        (f"run{run:02}", picture(folder / f"{run:02}" / f"{name}.png"))
        for run in range(40)
        for name in "ab"
    ]
    page = write(results, script(results, kind="sweep", pictures=made))
    shots = [link for link in page.links() if link.endswith(".png")]
    assert len(page.all("figure")) == PICTURES_LIMIT
    assert {"./scripts/growth/00/a.png", "./scripts/growth/39/b.png"} <= set(shots)
    assert "24 of 80 pictures are shown" in page.words and "run39" in page.words
    page = write(results, script(results, pictures=made[:3]))
    assert len(page.all("figure")) == 3 and "are shown" not in page.words


def test_a_picture_that_cannot_be_shown_is_left_out(results, tmp_path):
    folder = results / "scripts" / "growth"
    (folder / "cut.png").write_bytes(picture(folder / "good.png").read_bytes()[:60])
    (folder / "text.jpg").write_text("no picture")
    (folder / "broken.svg").write_text("<svg")
    (folder / "other.svg").write_text("<html xmlns='http://www.w3.org/1999/xhtml'/>")
    (folder / "postscript.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    (folder / "outside.png").symlink_to(picture(tmp_path / "secret.png"))
    names = [*sorted(path.name for path in folder.iterdir()), "gone.png"]
    page = write(results, script(results, pictures=[("", folder / name) for name in names]))
    assert {link for link in page.links() if link.endswith(".png")} == {"./scripts/growth/good.png"}
    assert "8 pictures could not be read" in page.words


def test_pictures_stay_readable_and_small(tmp_path):
    lines = Image.new("RGB", (1600, 1200), "white")
    lines.paste("black", (100, 100, 1500, 104))
    lines.save(tmp_path / "lines.png")
    noise = np.random.default_rng(1).integers(0, 255, (900, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "photo.tif")
    figure, photo = (embedded(tmp_path / name, 480) for name in ("lines.png", "photo.tif"))
    assert opened(figure).format == "WEBP" and opened(figure).size == (480, 360)
    assert opened(photo).format == "JPEG" and opened(photo).size == (373, 480)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *(("1", "png"), ("L", "gif"), ("P", "png"), ("LA", "png"), ("RGBA", "webp")),
        *(("I;16", "png"), ("CMYK", "jpg"), ("YCbCr", "jpeg")),
        *(("F", "tif"), ("I;16", "tif"), ("I", "tif")),
    ],
)
@pytest.mark.parametrize("size", [(40, 30), (2000, 3), (1, 900)])
def test_every_kind_of_picture_is_shown(tmp_path, mode, suffix, size):
    path = tmp_path / f"picture.{suffix}"
    Image.new(mode, size).save(path)
    small = opened(embedded(path, 480))
    small.load()
    assert max(small.size) == min(max(size), 480)


def test_what_is_transparent_is_white(tmp_path):
    Image.new("RGBA", (900, 900), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert opened(embedded(tmp_path / "clear.png", 480)).convert("RGB").getpixel((5, 5)) == (
        255,
        255,
        255,
    )


def test_vector_graphics_are_pictures(tmp_path):
    small = "<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>"
    (tmp_path / "small.svg").write_text(small)
    (tmp_path / "large.svg").write_text(small + "<!--" + "x" * 300_000 + "-->")
    assert (embedded(tmp_path / "small.svg", 480) or "").startswith("data:image/svg+xml;base64,")
    assert embedded(tmp_path / "large.svg", 480) is None


# The script's own text

HOSTILE = [
    "<script>x</script><SCRIPT SRC=//e.com/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)><img src=ok.png onload=alert(1)>",
    "<a href='javascript:alert(1)'>a</a><a href=' java\tscript:x'>a</a>[a](javascript:x)",
    "<a href='&#106;avascript:x'>a</a><a href='data:text/html,x'>a</a><a href='vbscript:x'>a</a>",
    "<svg onload=alert(1)><a xlink:href='javascript:x'><circle/></a></svg><math href=x></math>",
    "<iframe src=//e.com></iframe><object data=x></object><embed src=x><applet></applet>",
    "<div style='position:fixed;inset:0;background:url(//e.com)'>over</div>",
    "<style>* { display: none }</style><link rel=stylesheet href=//e.com/x.css>",
    "<meta http-equiv=refresh content='0;url=//e.com'><base href=//e.com>",
    "<form action=//e.com><input name=a><button formaction=x>b</button><textarea>",
    "<img src='../../secret.png'><img src='/etc/passwd'><img src='file:///etc/passwd'>",
    "<img src=//e.com/a.png><img srcset='//e.com/a.png 2x'><picture><source srcset=//e.com>",
    "<img src='data:image/svg+xml;base64,PHN2Zz4='><img src='data:text/html,x'>",
    "<video src=//e.com poster=//e.com></video><audio src=x></audio><table background=//e.com>",
    "<div id=scripts class=card name=run><p id=gallery><a id=cite name=run>x</a>",
    "</div></article></section></main></body></html><section id=plots>",
    "<!-- <div><p><b><table><tr><td><ul><li><details><a href=x",
    "<title><style><noscript><template><xmp><plaintext><select><option>",
    "<![CDATA[ x ]]><?php x ?><!DOCTYPE html><html onload=x><body onload=x>",
    "<img alt='><script>x</script>' src='ok.png'><p title='</div><script>x</script>'>",
    "`<script>` <b <script>x</script>> \x00<scr\x00ipt>x</script>",
    "<td style='text-align:right;position:fixed'>x</td><th colspan=99999999>",
    "<h1>a<h2>b<h3>c</h1>" + "<div>" * 2000,
]


@pytest.mark.parametrize("suffix", ["md", "html"])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_no_text_does_harm(results, tmp_path, hostile, suffix):
    folder = results / "scripts" / "growth"
    picture(tmp_path / "secret.png")
    picture(folder / "ok.png")
    section = folder / f"report.{suffix}"
    section.write_text(hostile)
    harmless = write(results, script(results, kind="once", runs=1, done=1))
    page = write(results, script(results, kind="once", runs=1, done=1, section=section))
    # Everything around it is where it was.
    assert page.open == [] and page.inside == harmless.inside
    assert len(page.all("script")) == 2 and len(page.all("style")) == 1
    notes = re.compile(r'<p class="note">.*?</p>', re.DOTALL)
    _, _, after = page.source.partition('<div class="fragment">')
    piece = notes.sub("", after.partition("</article>")[0])
    for tag, attributes in Page('<div class="fragment">' + piece).tags:
        assert tag not in {"script", "style", "iframe", "svg", "form", "meta", "base", "input"}
        for name, value in attributes.items():
            assert name in {"class", "href", "rel", "src", "alt", "title", "style", "colspan"}
            assert name != "style" or re.fullmatch("text-align:(left|right|center)", value or "")
            assert name != "src" or (value or "").startswith("data:image/png;")
            assert name != "href" or (value or "").startswith("./scripts/growth/")
            assert name != "class" or value == "fragment"


def section(results: Path, text: str | bytes, name: str = "report.md") -> Page:
    path = results / "scripts" / "growth" / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return write(results, script(results, kind="dataset", runs=1, done=1, section=path))


def test_markdown_is_shown_below_the_headings_of_the_page(results):
    picture(results / "scripts" / "growth" / "plots" / "é b.png")
    (results / "scripts" / "growth" / "fit.pdf").write_bytes(b"x")
    page = section(
        results,
        "# Growth\n## Rates\n#### Deep\n*so* **much**\n\n| a | b |\n|--:|---|\n| 1 | 2 |\n\n"
        "![curve](<plots/é b.png>) [fit](fit.pdf) [gone](gone.pdf) [net](https://x.org/?a=1&b=2)\n",
    )
    headings = [tag for tag, _ in page.tags if re.fullmatch("h[4-6]", tag)]
    assert headings == ["h4", "h5", "h6"] and "Growth" in page.text
    assert {"style": "text-align:right"} in page.all("td") and page.all("em")
    assert page.all("img")[-1]["alt"] == "curve"
    links = page.links()
    assert "./scripts/growth/fit.pdf" in links and "https://x.org/?a=1&b=2" in links
    assert not any("gone" in link for link in links) and "gone" in page.text
    page = section(results, "<h2>A</h2><h3>B</h3>", "report.html")
    assert [tag for tag, _ in page.tags if re.fullmatch("h[4-6]", tag)] == ["h4", "h5"]


def test_files_outside_of_the_folder_are_refused_whatever_leads_there(results, tmp_path):
    folder = results / "scripts" / "growth"
    secret = picture(tmp_path / "secret.png")
    picture(results / "scripts" / "other" / "its.png")
    (folder / "link.png").symlink_to(secret)
    (folder / "up").symlink_to(tmp_path)
    (folder / "round").symlink_to(folder / "round")
    places = [
        "link.png",
        "up/secret.png",
        "round/a.png",
        "../other/its.png",
        "..%2Fother%2Fits.png",
    ]
    places += [str(secret), f"file://{secret}", "//x/secret.png", "%00.png", "http://[::1", "."]
    text = "".join(f"<img src='{place}'><a href='{place}'>x</a>" for place in places)
    page = section(results, text, "report.html")
    assert not any((image.get("src") or "") for image in page.all("img"))
    assert not [link for link in page.links() if "secret" in link or "its" in link]
    assert "link.png, up/secret.png, round/a.png and 6 more" in page.words
    (folder / "report.md").symlink_to(tmp_path / "secret.md")
    (tmp_path / "secret.md").write_text("secret words")
    done = script(results, kind="once", runs=1, done=1, section=folder / "report.md")
    page = write(results, done)
    assert "secret words" not in page.text and "could not be read" in page.words


def test_a_long_text_is_cut_and_says_so(results):
    page = section(results, "é" * LONGEST_TEXT)
    assert "cut after 200\u00a0kB".replace("\u00a0", " ") in page.words.replace("\u00a0", " ")
    assert page.text.count("é") == LONGEST_TEXT // 2 and "\ufffd" not in page.text
    assert "./scripts/growth/report.md" in page.links()


def test_a_text_of_any_bytes_is_shown(results):
    page = section(results, b"\xef\xbb\xbfcaf\xe9 **b**\x00\xff")
    assert "caf\ufffd b" in page.text and "\ufeff" not in page.text
    assert section(results, b"").inside


def test_a_text_that_is_hard_to_read_does_not_stop_the_report(results):
    folder = results / "scripts" / "growth"
    for text in ("[" * 50_000, "*a " * 30_000, ">" * 50_000, "<b>" * 5_000):
        (folder / "report.md").write_text(text)
        assert read_fragment(folder / "report.md", folder=folder, results=results) is not None


def test_the_environments_of_the_runs_are_named(results):
    page = write(results, script(results, environments=("growth.2026-11-28.1a2b3c4d",)))
    assert "Environment: growth.2026-11-28.1a2b3c4d" in page.words
    assert "./environments/history/growth.2026-11-28.1a2b3c4d.txt" in page.links()
    assert "Environment:" not in write(results, script(results)).words


def test_the_report_needs_nothing_that_its_environment_lacks():
    absent = "import sys; sys.modules |= dict.fromkeys(('jsonschema', 'ruamel', 'snakemake', 'uv'))"
    command = [sys.executable, "-c", f"{absent}; import segmake.report.scripts"]
    path = str(installation.PACKAGE.parent)
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
