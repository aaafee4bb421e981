from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segmake.core import installation
from segmake.formats.reach import as_pattern
from segmake.images.field_of_view import FieldOfView
from segmake.images.inventory import take_inventory, write_inventory
from segmake.images.listing import chosen, list_images, state_of_folders
from segmake.messages import Problem


@pytest.fixture
def images(tmp_path) -> Path:
    return tmp_path / "images"


@pytest.fixture
def take(configure, tmp_path):
    def take_and_keep(**sections):
        inventory = take_inventory(configure(**sections), tmp_path / "inventory.tsv")
        write_inventory(inventory, tmp_path / "inventory.tsv")
        return inventory

    return take_and_keep


def codes(inventory) -> dict[str, str]:
    """Return why each image that is there fails; empty for those that do not."""
    there = (image for image in inventory.images if image.present)
    return {image.image: image.problem.code if image.problem else "" for image in there}


def test_folders_of_servers_and_systems_are_passed_over(take, images, draw):
    true = ["#1.tif", "$5.tif", "@home/a.tif", "lost/a.tif", "recycle/a.tif", "snapshot/a.tif"]
    for name in true:
        draw(images / name)
    system = [
        *("$RECYCLE.BIN/S-1/x.tif", "#recycle/a.tif", "sub/@eaDir/a.tif/SYNOFILE_THUMB_M.tif"),
        *("__MACOSX/a.tif", ".Trash-1000/files/a.tif", ".snapshot/nightly/a.tif"),
        *("~snapshot/hourly.0/a.tif", "lost+found/1.tif", "System Volume Information/x.tif"),
    ]
    for name in system:
        draw(images / name)
    inventory = take()
    assert sorted(codes(inventory)) == sorted(true) and inventory.left_out == 0
    # What is not hidden is said.
    assert len(inventory.system) == 7 and "sub/@eaDir" in inventory.system


def test_what_is_chosen_by_names_alone_is_what_is_listed(configure, images, draw):
    names = ["a.tif", "B.TIF", "day 2/c.tif", "old/d.tif", "notes.txt", "@eaDir/e.tif", ".f.tif"]
    names += [".hidden/g.tif", "h.ome.zarr/0/0", "h.ome.zarr/.zattrs", "left/i.tif", "x_left.tif"]
    for name in names:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).touch()
    exclude = ["left/", "*_left.tif", "/old"]
    config = configure(images={"folder": str(images), "exclude": exclude})
    [listed] = list_images(config)
    found = {each.relative for each in listed.found}
    include = config.settings["images"]["include"]
    assert (
        found == chosen(names, include, exclude) == {"a.tif", "B.TIF", "day 2/c.tif", "h.ome.zarr"}
    )


def test_the_state_of_folders_tells_what_is_listed(configure, images, draw, tmp_path):
    for name in ("a.tif", "day/b.tif", "left/c.tif", "notes.txt"):
        draw(images / name)
    store = tmp_path / "store" / "d.tif"
    draw(store)
    (images / "d.tif").symlink_to(store)
    config = configure(images={"folder": str(images), "exclude": ["left/"]})
    seen = [state_of_folders(config)]
    for change in (
        lambda: draw(images / "day" / "b2.tif"),
        lambda: (images / "day").rename(images / "day2"),
        lambda: (images / "notes.txt").write_text("more"),
        lambda: os.utime(store, (1, 1)),
        lambda: (images / "@eaDir").mkdir(),
        lambda: images.rename(tmp_path / "moved") and images.symlink_to(tmp_path / "moved"),
    ):
        change()
        assert state_of_folders(config) not in seen
        seen.append(state_of_folders(config))
    assert None not in seen
    # What is no matter.
    draw(images / "left" / "c2.tif")
    draw(images / ".hidden" / "c2.tif")
    assert state_of_folders(config) == seen[-1]
    # What one look does not tell.
    (images / "e.zarr").mkdir()
    assert state_of_folders(config) is None
    (images / "e.zarr").rmdir()
    (images / "lost.tif").symlink_to(tmp_path / "nowhere")
    assert state_of_folders(config) is None
    assert state_of_folders(configure(images={"folder": str(tmp_path / "nowhere")})) is None


def test_links_that_lead_nowhere_fail_by_name(take, images, draw, tmp_path):
    draw(tmp_path / "store" / "pos1.tif")
    images.mkdir()
    for name in ("pos1.tif", "pos2.tif", "day2", "old.zarr", "notes.txt", "left out.tif"):
        (images / name).symlink_to(tmp_path / "store" / name)
    (images / "itself.tif").symlink_to(images / "itself.tif")
    inventory = take(images={"exclude": ["left out.tif"]})
    lost = ("pos2.tif", "day2/*", "old.zarr", "itself.tif")
    assert codes(inventory) == {"pos1.tif": "", **dict.fromkeys(lost, "SM-DIR-023")}
    assert inventory.left_out == 2
    problems = {image.image: image.problem for image in inventory.images}
    assert str(tmp_path / "store" / "day2") in problems["day2/*"].what
    # Named in `exclude`, as the message says, they are left out.
    named = [json.loads(f'"{problems[name].values["exclude"]}"') for name in lost]
    assert codes(take(images={"exclude": [*named, "left out.tif"]})) == {"pos1.tif": ""}
    # Links that lead nowhere alone are no empty folder.
    (images / "pos1.tif").unlink()
    assert "SM-DIR-023" in codes(take()).values()


def test_images_that_can_not_be_looked_at_keep_what_they_have(take, images, draw, tmp_path):
    draw(tmp_path / "store" / "pos1.tif")
    draw(tmp_path / "store" / "day2" / "pos1.tif")
    images.mkdir()
    for name in ("pos1.tif", "day2"):
        (images / name).symlink_to(tmp_path / "store" / name)
    before = {image.image: image for image in take().images}
    (tmp_path / "store").rename(tmp_path / "away")
    inventory = take()
    assert codes(inventory) == {"day2/*": "SM-DIR-023", "day2/pos1.tif": "", "pos1.tif": ""}
    now = {image.image: image for image in inventory.images}
    assert {name: now[name] for name in before} == before
    assert sorted(inventory.hidden) == ["day2/pos1.tif", "pos1.tif"]
    (tmp_path / "away").rename(tmp_path / "store")
    back = take()
    assert codes(back) == dict.fromkeys(before, "") and not back.hidden


def test_a_folder_that_can_not_be_read_does_not_stop_the_others(configure, draw, images, tmp_path):
    for name in ("a.tif", "colleague/b.tif", "[my] #1/c.tif"):
        draw(images / name)
    inventory = take_inventory(configure(), tmp_path / "inventory.tsv")
    write_inventory(inventory, tmp_path / "inventory.tsv")
    draw(images / "colleague" / "new.tif")
    closed = [images / "colleague", images / "[my] #1"]
    for folder in closed:
        folder.chmod(0)
    try:
        named = [f"{as_pattern(folder.name)}/" for folder in closed]
        excluded = configure(images={"exclude": [json.loads(f'"{name}"') for name in named]})
        other = excluded.path.rename(tmp_path / "excluded.yaml")
        found, others = _take_without_rights(tmp_path / "inventory.tsv", configure().path, other)
    finally:
        for folder in closed:
            folder.chmod(0o755)
    assert {name: code for name, (code, _) in found.items()} == {
        "[my] #1/*": "SM-DIR-022",
        "[my] #1/c.tif": "",
        "a.tif": "",
        "colleague/*": "SM-DIR-022",
        "colleague/b.tif": "",
    }
    assert f'exclude: ["{named[0]}"]' in found["colleague/*"][1]
    assert list(others) == ["a.tif"]


def test_the_advice_leaves_out_one_path_and_no_other_of_the_name(take, configure, images, draw):
    for day in ("day1", "day2 [x]"):
        draw(images / day / "pos1.tif")
    lost = images / "day2 [x]" / "pos1.tif"
    lost.unlink()
    lost.symlink_to("gone")
    with pytest.raises(Problem) as caught:
        FieldOfView(lost, 0, configure().typed.images)
    advised = json.loads(f'"{caught.value.values["exclude"]}"')
    assert advised in caught.value.remedy.replace("\\\\", "\\")
    assert list(codes(take(images={"exclude": [advised]}))) == ["day1/pos1.tif"]


def _take_without_rights(kept: Path, *configs: Path) -> list[dict[str, tuple[str, str]]]:
    """Take inventories as someone who may not read all: the superuser may, but not in a name space of its own."""
    code = (
        "import json, sys; from pathlib import Path; from segmake.config.load import load_config;"
        "from segmake.images.inventory import take_inventory;"
        "kept, *configs = map(Path, sys.argv[1:]);"
        "print(json.dumps([{i.image: [i.problem.code, i.problem.remedy] if i.problem else ['', '']"
        " for i in take_inventory(load_config(config), kept).images if i.present}"
        " for config in configs]))"
    )
    alone = ["unshare", "-U"] if os.geteuid() == 0 else []
    command = [*alone, sys.executable, "-c", code, str(kept), *map(str, configs)]
    environment = {**os.environ, "PYTHONPATH": str(installation.PACKAGE.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if alone and "unshare" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
