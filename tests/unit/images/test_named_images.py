from __future__ import annotations

from segmake.images.named_images import named_in_vain, reasons

IMAGES = ["day1/a.tif", "day1/b.nd2 (p1)", "day2/été.tif", "day2/c[1].tif"]


def test_images_are_named_whole_or_by_a_pattern():
    assert reasons({"day1/a.tif": "blurred"}, IMAGES) == {"day1/a.tif": "blurred"}
    assert list(reasons({"day2/*": "the pump"}, IMAGES)) == IMAGES[2:]
    assert list(reasons({"day1/b.nd2*": "x"}, IMAGES)) == ["day1/b.nd2 (p1)"]
    assert reasons({"*": "all", "day1/*": "later"}, IMAGES)["day1/a.tif"] == "all"
    assert not reasons({"a.tif": "x"}, IMAGES) and not reasons({}, IMAGES)


def test_brackets_and_accents_in_names_are_found():
    assert list(reasons({"day2/c[1].tif": "x"}, IMAGES)) == ["day2/c[1].tif"]
    assert list(reasons({"day2/c[1]*": "x"}, IMAGES)) == ["day2/c[1].tif"]
    # As a Mac writes it.
    assert list(reasons({"day2/e\u0301te\u0301.tif": "x"}, IMAGES)) == ["day2/été.tif"]


def test_a_name_that_fits_nothing_is_told():
    names = {"day1/a.tif": "x", "day3/*": "y", "day1/A.tif": "z"}
    assert named_in_vain(names, IMAGES) == ["day3/*", "day1/A.tif"]
