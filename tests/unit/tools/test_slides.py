from __future__ import annotations

import re
from pathlib import Path

import pytest

from segmake.messages import LANGUAGES
from segmake.tools import slides


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    written = slides.write_slides(tmp_path_factory.mktemp("slides"))
    return {
        language: path.read_text(encoding="utf-8")
        for language, path in zip(LANGUAGES, written, strict=True)
    }


def texts(name: str) -> list[str]:
    endings = ["" if language == "en" else f".{language}" for language in LANGUAGES]
    return [(slides.SOURCES / f"{name}{end}.md").read_text(encoding="utf-8") for end in endings]


def test_each_heading_is_a_slide_with_all_that_it_shows(pages: dict[str, str]) -> None:
    for text, (language, page) in zip(texts("slides"), pages.items(), strict=True):
        assert page.count("<section>") == 1 + len(re.findall(r"^## ", text, re.MULTILINE))
        assert f'<html lang="{language}">' in page
        pictures = re.findall(r'src="([^"]*)"', page)
        assert len(pictures) == text.count("![") > 0
        assert all(source.startswith("data:image/") for source in pictures)


def test_slides_ask_no_other_file_and_no_network(pages: dict[str, str]) -> None:
    for page in pages.values():
        assert not re.search(r"<link|@import|url\(|<script src|fetch\(", page)


def test_a_picture_that_is_not_there_is_told(tmp_path: Path) -> None:
    source = tmp_path / "slides.md"
    source.write_text("# Slides\n\n![A cell](cell.png)\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"cell\.png"):
        slides.slides_page(source, "en")


def test_the_plan_of_the_teacher_is_ninety_minutes_and_has_every_slide(
    pages: dict[str, str],
) -> None:
    for text, page in zip(texts("teacher"), pages.values(), strict=True):
        rows = re.findall(r"^\| (\d):(\d\d) \| (\d+) \|.*\| ([^|]*) \|$", text, re.MULTILINE)
        starts = [60 * int(hour) + int(minute) for hour, minute, *_ in rows]
        lengths = [int(minutes) for _, _, minutes, _ in rows]
        assert starts == [sum(lengths[:number]) for number in range(len(rows))]
        assert sum(lengths) == 90
        shown: list[int] = []
        for *_, numbers in rows:
            first, *last = map(int, re.findall(r"\d+", numbers))
            shown += range(first, (last or [first])[-1] + 1)
        assert shown == list(range(1, page.count("<section>") + 1))
