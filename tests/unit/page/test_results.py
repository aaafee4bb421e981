"""What scripts have made is led to, and each file that is led to can be asked for."""

from __future__ import annotations

from pathlib import Path

from segmake.page.pages.results import confined, of_scripts


def test_what_scripts_have_made_is_led_to(tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()
    made = ("growth/all_b.csv", "growth/day 1/pos1_growth/b.csv", "growth/.hidden/x", "none/.x")
    many = tuple(f"spots/pos{number}_spots/a.png" for number in range(30))
    for name in (*made, *many):
        path = tmp_path / "scripts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a")
    (tmp_path / "scripts" / "spots" / "a\udcff.csv").touch()
    growth, spots = of_scripts(tmp_path)
    assert (growth.name, growth.has_more) == ("growth", False)
    assert [name for _, name, _ in growth.files] == ["all_b.csv", "day 1/pos1_growth/b.csv"]
    assert (spots.name, len(spots.files), spots.has_more) == ("spots", 20, True)
    for place, name, _ in (*growth.files, *spots.files):
        assert confined(tmp_path, place).read_text() == "a" and place.endswith(name)


def test_where_no_script_was_run_nothing_is_led_to(tmp_path: Path) -> None:
    assert of_scripts(tmp_path) == []
    (tmp_path / "scripts").touch()
    assert of_scripts(tmp_path) == []
