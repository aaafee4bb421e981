"""Paths in a config that are written as a user's own computer has them."""

from __future__ import annotations

import pytest

from segmake.config.load import load_config
from segmake.messages import Problems
from segmake.outcome.status import results_of
from segmake.plan.make import make_plan


@pytest.fixture
def share(site_file, tmp_path):
    """A share of the cluster: the test's folder."""
    site_file(
        f"paths:\n  - there: {tmp_path}\n    here: ['Z:\\', '\\\\server\\lab', /Volumes/lab]\n"
    )
    return tmp_path


def plan_of(folder, results, root):
    path = root / "own.yaml"
    path.write_text(
        f"images: {{folder: '{folder}'}}\n"
        f"results: '{results}'\n"
        "segmentation: {engine: threshold}\n"
        "scripts:\n"
        f"  - {{name: count, script: 'Z:\\count.py', arguments: {{from: '{folder}', other: 'W:\\x'}}}}\n"
    )
    return make_plan(load_config(path))[0]


def test_nothing_depends_on_how_a_path_is_written(share, draw):
    draw(share / "me" / "day1" / "a.tif")
    draw(share / "me" / "day1" / "sub" / "b.tif", 3)
    (share / "count.py").write_text("import sys\nprint(sys.argv)\n")
    plain = plan_of(f"{share}/me/day1", f"{share}/me/out", share)
    written = plan_of("Z:\\me\\day1", "smb://Server/lab/me/out", share)
    other = plan_of("/Volumes/lab/me/day1/", "\\\\SERVER\\LAB\\me\\out", share)
    assert plain.images() == written.images() == ["a.tif", "sub/b.tif"]
    for plan in (written, other):
        assert plan.settings == plain.settings and plan.batches == plain.batches
        assert plan.scripts["count"].code == plain.scripts["count"].code
        assert plan.images_of_scripts == plain.images_of_scripts
    # A value that is no path of a share stays as it is.
    (script,) = written.settings["scripts"]
    assert script["arguments"] == {"from": f"{share}/me/day1", "other": "W:\\x"}


def test_status_finds_the_results_too(share):
    path = share / "own.yaml"
    path.write_text("results: Z:\\me\\out\n")
    assert results_of(path) == share / "me" / "out"
    path.write_text("results: out\n")
    assert str(results_of(path)) == "out"


SECTIONS = {
    "images": ("images: {folder: 'W:\\me'}", "`folder` under `images`"),
    "several": ("images: {folder: [images, '\\\\other\\me']}", "`folder` under `images`"),
    "results": ("results: 'w:/out'", "`results`"),
    "model": ("segmentation: {engine: cellpose3, model: 'C:\\own'}", "`model`"),
    "script": ("scripts: [{name: a, script: 'C:\\a.py'}]", "`script` under `scripts`"),
    "existing": ("environments: {a: {existing: 'smb://other/me'}}", "`existing` under `a`"),
}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("shared", [True, False])
def test_a_path_that_only_the_user_s_computer_knows_is_refused(tmp_path, request, section, shared):
    if shared:
        request.getfixturevalue("share")
    text, name = SECTIONS[section]
    rest = {
        "images": "images: {folder: images}",
        "segmentation": "segmentation: {engine: threshold}",
    }
    lines = [text, *(line for key, line in rest.items() if not text.startswith(key))]
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(lines))
    (tmp_path / "images").mkdir()
    with pytest.raises(Problems) as caught:
        load_config(path)
    problem, *others = (one for one in caught.value.problems if one.where == f"{path}, line 1")
    assert problem.code == "SM-SIT-007" and problem.what.startswith(name) and others == []
    known = "Z:\\ = " if shared else "`paths` in site.yaml"
    assert known in problem.remedy


def test_all_else_is_told_too(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("images: {folder: 'W:\\me'}\nsegmentation: {engine: treshold}\n")
    with pytest.raises(Problems) as caught:
        load_config(path)
    assert [one.code for one in caught.value.problems] == ["SM-SIT-007", "SM-CFG-002"]
