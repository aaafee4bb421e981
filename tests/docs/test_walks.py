"""Pages that say where they are walked are walked, and show what they say."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import places, walks
from tests.docs.blocks import Page, pages, read
from tests.programs import program

# The first runs all examples, as tests/workflow/test_examples.py does.
_LONG = ("docs/examples/index.md", "docs/tutorial/with-commands.fr.md")
WALKED = {page.name: page for page in map(read, pages()) if page.place}


def _marks(page: Page) -> list[pytest.MarkDecorator]:
    """Return `long` for what takes minutes, and for what other tests do: most French pages have the same commands."""
    is_first = page.path.parent.name == "tutorial"
    is_long = page.place == "clone" or (page.is_french and not is_first) or page.name in _LONG
    return [pytest.mark.long] if is_long else []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=_marks(page)) for name, page in WALKED.items()]
)
def test_a_page_shows_what_it_says(name: str, tmp_path: Path) -> None:
    if any(block.language == "r" for block, _ in walks.expected_of(WALKED[name])):
        program("Rscript", "r-base-core")
    try:
        done = walks.walk(WALKED[name], walks.empty_home(tmp_path))
    except places.NotHere as reason:
        pytest.skip(str(reason))
    assert done.faults == []
    assert [each.block for each in done.blocks] == [
        block for block, _ in walks.expected_of(WALKED[name])
    ]


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A page that begins in an empty folder, without a place of SegMake."""
    monkeypatch.setattr(places, "make", lambda name, home, french: home)
    yield tmp_path / "page.md"


def walked(page: Path, text: str, seconds: float = 60) -> list[str]:
    page.write_text(f"# A page\n\n<!-- place: home -->\n\n{text}", encoding="utf-8")
    folder = Path(tempfile.mkdtemp(dir=page.parent))
    return walks.walk(read(page), walks.empty_home(folder), seconds=seconds).faults


def test_blocks_share_one_shell(page: Path) -> None:
    said = "```bash\nmkdir here && cd here\nX=5\n```\n```bash\necho $X in $PWD\n```\n```text\n5 in /home/jane/here\n```\n"
    assert walked(page, said) == []


def test_what_is_not_shown_is_told(page: Path) -> None:
    [told] = walked(page, "```bash\necho one\necho two\n```\n```text\ntwo\none\n```\n")
    assert "page.md:9: 'one' is not shown" in told


def test_dots_stand_for_anything(page: Path) -> None:
    assert (
        walked(page, "```bash\nseq 30; echo took 5 s\n```\n```text\n1\n…\n30\ntook … s\n```\n")
        == []
    )


def test_a_command_that_fails_is_told(page: Path) -> None:
    [told] = walked(page, "```bash\nls nothing\n```\n")
    assert "page.md:5: ended with 2" in told
    assert "nothing" in told


def test_a_command_may_fail_where_the_page_says_so(page: Path) -> None:
    failing = "```bash\necho SM-CFG-001; false\n```\n"
    assert walked(page, failing + "```text\nSM-CFG-001\n```\n") == []
    assert walked(page, "<!-- fails -->\n" + failing) == []


def test_a_block_that_does_not_end_is_ended(page: Path) -> None:
    [told] = walked(page, "```bash\necho begun; sleep 100\n```\n", seconds=5)
    assert "begun" in told


def test_files_and_settings_are_written(page: Path) -> None:
    said = (
        "<!-- file: config/config.yaml -->\n```yaml\nimages:\n  folder: a  # mine\ncluster: {hours: 1}\n```\n"
        "```yaml\nimages: {channel: 2}\ncluster: {hours: 2}\n```\n"
        "```bash\ncat config/config.yaml\n```\n```text\n  folder: a  # mine\n  channel: 2\ncluster: {hours: 2}\n```\n"
    )
    assert walked(page, said) == []


def test_what_was_shown_is_written_with_the_dots_of_the_page(page: Path) -> None:
    text = "```bash\nseq 5; echo took 5 s\n```\n```text\n1\n…\n4\ntook … s\n```\n\nMore.\n"
    page.write_text(f"# A page\n\n<!-- place: home -->\n\n{text}", encoding="utf-8")
    done = walks.walk(read(page), walks.empty_home(page.parent / "walk"))
    assert walks.written(done) == page.read_text(encoding="utf-8")
    page.write_text(page.read_text(encoding="utf-8").replace("seq 5", "seq 2 6"), encoding="utf-8")
    done = walks.walk(read(page), walks.empty_home(page.parent / "again"))
    assert "```text\n…\n4\n5\n6\ntook … s\n```\n\nMore.\n" in walks.written(done)
