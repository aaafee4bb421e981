"""What was edited, removed, renamed or copied anew, here or on the other computer, between two runs."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from segmake.remote.remembered import read_place, write_place
from tests.ssh.laptop import (
    SIMULATION,
    Laptop,
    damage,
    draw,
)


def test_what_was_edited_over_there_is_shown_and_kept(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends(*words: str) -> tuple[int, str]:
        code = laptop.does("run", "--profile", "local", *words, typed="n\n")
        out, err = capsys.readouterr()
        return code, out + err

    laptop.write_scripts()
    laptop.write_config(SIMULATION)
    assert "Sent: the config and 2 files." in sends()[1]
    assert "Sent: 0 files" in sends()[1]
    # An edit here is sent.
    laptop.write_config(SIMULATION.replace("[1, 2]", "[1, 3]"))
    assert "Sent: the config." in sends()[1]
    copy, script = laptop.there / "config/config.yaml", laptop.there / "scripts/grow.py"
    assert "[1, 3]" in copy.read_text()
    # One over there stops it.
    copy.write_text(copy.read_text().replace("[1, 3]", "[7]"))
    code, said = sends()
    assert code == 1 and "SM-REM-006" in said
    assert "rate: [7]" in said and "rate: [1, 3]" in said and "line 3:" in said
    # Not its note, nor what only programmers read.
    assert said.count("\n  -") == 2 and "@@" not in said
    assert "[7]" in copy.read_text()
    assert "Sent" in sends("--overwrite")[1]
    assert "[1, 3]" in copy.read_text()
    (kept,) = copy.parent.glob("config.yaml.*")
    assert "[7]" in kept.read_text()
    # So does one of a script.
    script.write_text(f"{script.read_text()}# mine\n")
    code, said = sends()
    assert code == 1 and "SM-REM-008" in said and "scripts/grow.py" in said
    assert "# mine" in script.read_text()
    assert "Sent: 1 file" in sends("--overwrite")[1]
    assert "# mine" not in script.read_text()
    assert "# mine" in script.with_name("grow.py.before-1").read_text()
    # A second laptop with the same experiment is at home; with another config, it is told.
    other = Laptop(
        laptop.server, laptop.experiment.with_name("other"), laptop.there, laptop.monkeypatch
    )
    shutil.copytree(laptop.experiment, other.experiment)
    (other.experiment / ".segmake-remote.json").unlink()
    os.utime(other.experiment / "scripts/helper.py", (1.7e9, 1.7e9))
    first, laptop = laptop, other
    laptop.monkeypatch.setenv("XDG_CONFIG_HOME", str(other.experiment.with_name("settings")))
    # Its copy of a module has another time, and holds the same.
    assert "Sent: 0 files." in sends()[1]
    other.write_config(SIMULATION.replace("[1, 2]", "[5]"))
    assert "Sent: the config." in sends()[1]
    other.write_config("def twice(rate):\n    return 1 + int(rate)\n", "scripts/helper.py")
    assert "Sent: 1 file" in sends()[1]
    laptop = first
    laptop.monkeypatch.delenv("XDG_CONFIG_HOME")
    code, said = sends()
    assert code == 1 and "SM-REM-008" in said and "scripts/helper.py" in said
    # Taken over, as is said.
    shutil.copy(other.experiment / "scripts/helper.py", first.experiment / "scripts")
    code, said = sends()
    assert code == 1 and "SM-REM-007" in said and "rate: [5]" in said


def test_what_is_gone_here_is_computed_no_more(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends(*words: str) -> str:
        laptop.does("run", "--profile", "local", *words, typed="n\n")
        return "".join(capsys.readouterr())

    images, there = laptop.experiment / "images", laptop.there / "images"
    for cells, name in enumerate(("a.tif", "day 2/b\n.tif", "c.tif", "d.tif"), 1):
        draw(images / name, cells)
    laptop.write_config(
        "images: {folder: images}\nsegmentation: {engine: threshold, min_size: 30}\n"
    )
    for name in ("c", "d"):
        laptop.write_config("", f"results/corrections/{name}_masks.tif")
    assert "Sent: the config and 6 files." in sends()
    damage(there / "a.tif")
    assert "Sent: 0 files" in sends() and "Sent: 1 file." in sends("--compare")
    assert (there / "a.tif").read_bytes() == (images / "a.tif").read_bytes()
    # Deleted, renamed; a correction is taken back; one that is left out by the config is still here.
    (images / "day 2/b\n.tif").unlink()
    (images / "c.tif").rename(images / "WT.tif")
    # Another one was changed over there meanwhile.
    for name in ("c", "d"):
        (laptop.experiment / f"results/corrections/{name}_masks.tif").unlink()
    (laptop.there / "results/corrections/d_masks.tif").write_text("edited")
    laptop.write_config(
        "images: {folder: images, exclude: [d.tif]}\n"
        "segmentation: {engine: threshold, min_size: 30}\n"
    )
    said = sends()
    assert "Sent: the config and 1 file." in said and "3 files that were sent earlier" in said
    assert "1 file (results/corrections/d_masks.tif)" in said
    aside = laptop.there / ".segmake-remote/set-aside"
    assert sorted(path.name for path in aside.rglob("*") if path.is_file()) == sorted(
        ["b\n.tif", "c.tif", "c_masks.tif"]
    )
    assert sorted(path.name for path in there.rglob("*")) == ["WT.tif", "a.tif", "d.tif"]
    # What comes back is sent again; the second time that it goes, nothing that was kept is lost.
    for size in (5, 6):
        draw(images / "c.tif", size)
        assert "Sent: 1 file" in sends()
        (images / "c.tif").unlink()
        assert "One file that was sent earlier" in sends()
    assert len(list((aside / "images").glob("c.tif*"))) == 3
    # Another laptop has another image of one name, the same one with another time, and none of the others.
    other = Laptop(
        laptop.server, laptop.experiment.with_name("other"), laptop.there, laptop.monkeypatch
    )
    shutil.copytree(laptop.experiment / "config", other.experiment / "config")
    shutil.copy(laptop.experiment / "segmake.place", other.experiment)
    draw(other.experiment / "images/WT.tif", 9)
    os.utime(other.experiment / "images/WT.tif", (1.6e9, 1.6e9))
    shutil.copy(images / "a.tif", other.experiment / "images/a.tif")
    ours, laptop = laptop, other
    # With settings of its own, as another laptop has them.
    laptop.monkeypatch.setenv("XDG_CONFIG_HOME", str(other.experiment.with_name("settings")))
    said = sends()
    assert "SM-REM-022" in said and "images/WT.tif" in said and "a.tif" not in said
    assert (there / "WT.tif").read_bytes() == (images / "WT.tif").read_bytes()
    (other.experiment / "images/WT.tif").rename(other.experiment / "images/KO.tif")
    said = sends("--also-there")
    assert "Sent: 1 file." in said and "there is an image more" in said and "WT.tif" in said
    # What the first one sent stays, whatever becomes of it here; and the other way round.
    (other.experiment / "images/a.tif").unlink()
    assert "there are 2 images more" in sends()
    laptop = ours
    laptop.monkeypatch.delenv("XDG_CONFIG_HOME")
    draw(other.experiment / "images/KO.tif", 2)
    (images / "WT.tif").unlink()
    said = sends()
    assert "One file that was sent earlier" in said and "KO.tif" in said
    # Renamed over there: nothing is sent anew without being asked.
    laptop.there.rename(laptop.there.with_name("moved"))
    said = sends("--yes")
    assert "SM-REM-017" in said and not laptop.there.exists()
    assert laptop.does("status") == 1 and "SM-REM-017" in capsys.readouterr().err
    assert "Sent: the config and 1 file." in sends("--anew")
    # Whoever wants it so replaces another's image, which is kept.
    draw(there / "a.tif", 7)
    os.utime(there / "a.tif", (1.5e9, 1.5e9))
    theirs = (there / "a.tif").read_bytes()
    assert "SM-REM-022" in sends() and "Sent: 1 file" in sends("--overwrite")
    assert (aside / "images/a.tif").read_bytes() == theirs
    assert (there / "a.tif").read_bytes() == (images / "a.tif").read_bytes()


def test_images_that_only_the_other_computer_has_are_asked_about(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends(*words: str, typed: str = "n\n") -> str:
        assert laptop.does("run", "--profile", "local", *words, typed=typed) == 1
        return "".join(capsys.readouterr())

    def names(folder: str) -> None:
        laptop.write_config(f"images: {{folder: {folder}}}\nsegmentation: {{engine: threshold}}\n")

    images, disk = laptop.experiment / "images", laptop.experiment.parent / "disk"
    for cells, path in enumerate((images / "a.tif", images / "b.tif", disk / "c.tif"), 1):
        draw(path, cells)
    names("[images, ../disk]")
    assert "Sent: the config and 3 files." in sends()
    # A disk that is away: refused without a question, asked about with one, computed if that is wanted.
    disk.rename(disk.with_name("away"))
    assert "SM-REM-070" in sends("--yes")
    said = sends()
    assert "folder of images ../disk" in said and "1 file." in said and "Nothing was sent" in said
    for said in (sends(typed="y\nn\n"), sends("--also-there")):
        assert "found          3" in said and "../disk" in said and "sent/" not in said
        assert "SM-REM-025" not in said and "on this computer (" not in said
    # It is the same for a folder that is empty, such as that of a share; nothing of it is set aside.
    disk.mkdir()
    assert "SM-REM-070" in sends("--yes")
    assert "found          3" in sends("--also-there")
    # Renamed here: no image is computed under two names.
    images.rename(images.with_name("photos"))
    shutil.rmtree(disk)
    (laptop.experiment.parent / "away").rename(disk)
    assert "2 files." in sends("--yes")
    names("[photos, ../disk]")
    assert "found          3" in sends()
    names("[images, photos, ../disk]")
    assert "SM-REM-070" in sends("--yes")
    # One that never was anywhere is told as before.
    names("[photos, nowhere]")
    assert "SM-REM-025" in sends("--yes")
    # A folder that is still there is not forgotten, and what is deleted here goes from the tables all the same.
    names("[photos, ../disk]")
    (laptop.experiment / "photos/a.tif").unlink()
    said = sends("--anew")
    assert "nothing is forgotten" in said and "One file that was sent earlier" in said
    assert "found          2" in said
    # Another experiment that gets into this folder does not go without a word, and nothing of it is written.
    other = Laptop(
        laptop.server, laptop.experiment.with_name("other"), laptop.there, laptop.monkeypatch
    )
    shutil.copytree(laptop.experiment / "config", other.experiment / "config")
    shutil.copy(laptop.experiment / "segmake.place", other.experiment)
    draw(other.experiment / "photos/z.tif", 4)
    laptop.monkeypatch.setenv("XDG_CONFIG_HOME", str(other.experiment.with_name("settings")))
    shutil.rmtree(disk)
    laptop = other
    names("photos")
    for said in (sends("--yes"), sends()):
        assert "SM-REM-071" in said and "photos/b.tif" in said
    assert not (laptop.there / "photos/z.tif").exists()
    assert "SM-REM-007" in sends("--also-there")
    assert "found          2" in sends("--also-there", "--overwrite")
    assert "SM-REM-071" not in sends()


def test_a_folder_that_lies_or_is_called_otherwise_is_known(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    def sends() -> str:
        laptop.does("run", "--profile", "local", typed="n\n")
        return "".join(capsys.readouterr())

    def fetches() -> str:
        assert laptop.does("fetch") == 0
        return "".join(capsys.readouterr())

    def goes(folder: Path, host: str = "") -> None:
        place = read_place(laptop.experiment)
        write_place(laptop.experiment, replace(place, host=host or place.host, folder=str(folder)))

    def edits(min_size: int) -> None:
        laptop.write_config(
            f"images: {{folder: images}}\nsegmentation: {{engine: threshold, min_size: {min_size}}}\n"
        )

    def computes(folder: Path, text: str) -> None:
        user = laptop.server.user.name
        (folder / "results").mkdir(exist_ok=True)
        shutil.chown(folder / "results", user)
        for name in ("cells.csv", "images.csv"):
            (folder / "results" / name).write_text(text)
            shutil.chown(folder / "results" / name, user)
            os.utime(folder / "results" / name, (1.7e9, 1.7e9))

    images, results = laptop.experiment / "images", laptop.experiment / "results"
    for cells, name in enumerate(("a.tif", "b.tif", "c.tif")):
        draw(images / name, cells)
    edits(30)
    assert "Sent: the config and 3 files." in sends()
    first, moved, again, new = (
        laptop.there,
        *(Path(f"{laptop.there} {name}") for name in ("moved", "moved again", "new")),
    )
    computes(first, "first")
    assert "Fetched: 2 files" in fetches()
    # Moved over there: what was sent from here is known, and what was fetched.
    first.rename(moved)
    goes(moved)
    (results / "cells.csv").write_text("edited here")
    assert "Fetched: 0 files" in fetches()
    (images / "b.tif").unlink()
    edits(31)
    said = sends()
    assert "One file that was sent earlier" in said and "Sent: the config." in said
    assert sorted(path.name for path in (moved / "images").iterdir()) == ["a.tif", "c.tif"]
    # Moved once more, edited there, and under another name of the computer.
    copy = moved / "config/config.yaml"
    copy.write_text(copy.read_text().replace("31", "77"))
    moved.rename(again)
    known = Path("~/.ssh/known_hosts").expanduser()
    known.write_text(f"{known.read_text()}{known.read_text().replace('127.0.0.1', 'localhost')}")
    goes(again, laptop.server.host.replace("127.0.0.1", "localhost"))
    assert "SM-REM-006" in sends()
    edits(77)
    assert "Sent: 0 files" in sends()
    # A new place gets all; what is here as it came from the old one was edited by nobody.
    goes(new)
    assert "Sent: the config and 2 files." in sends()
    computes(new, "a newer one")
    said = fetches()
    assert "Fetched: 2 files" in said and "1 file (cells.csv)" in said
    assert (results / "changed/cells.csv").read_text() == "edited here"
    assert (results / "images.csv").read_text() == "a newer one"
    # And back: it is as it was left.
    goes(again)
    edits(78)
    (images / "c.tif").unlink()
    said = sends()
    assert "One file that was sent earlier" in said and "Sent: the config." in said


def test_what_has_only_another_time_is_neither_sent_nor_fetched_anew(
    laptop: Laptop, capsys: pytest.CaptureFixture[str]
) -> None:
    """An experiment that was copied to another disk, or from a backup."""

    def sends() -> str:
        laptop.does("run", "--profile", "local", typed="n\n")
        return "".join(capsys.readouterr())

    images, results = laptop.experiment / "images", laptop.experiment / "results"
    for cells, name in enumerate(("a.tif", "b.tif", "c.tif")):
        draw(images / name, cells)
    laptop.write_config("images: {folder: images}\nsegmentation: {engine: threshold}\n")
    assert "Sent: the config and 3 files." in sends()
    for path in images.iterdir():
        os.utime(path, (1.6e9, 1.6e9))
    assert "Sent: 0 files" in sends() and "Sent: 0 files" in sends()
    assert {path.stat().st_mtime for path in (laptop.there / "images").iterdir()} == {1.7e9}
    # One that holds something else is.
    image = images / "c.tif"
    image.write_bytes(bytes([image.read_bytes()[0] ^ 1]) + image.read_bytes()[1:])
    assert "Sent: 1 file." in sends()
    assert (laptop.there / "images/c.tif").read_bytes() == image.read_bytes()
    tables = [laptop.there / "results" / name for name in ("cells.csv", "images.csv")]
    for path in tables:
        path.parent.mkdir(exist_ok=True)
        path.write_text("the first")
    assert laptop.does("fetch") == 0
    assert "Fetched: 2 files" in capsys.readouterr().out
    for path in results.iterdir():
        os.utime(path, (1.6e9, 1.6e9))
    (laptop.experiment / ".segmake-remote.json").unlink()
    assert laptop.does("fetch") == 0
    said = capsys.readouterr().out
    assert "Fetched: 0 files" in said and "changed" not in said
    # So they count as they came: nobody edited them when the next ones come.
    for path in tables:
        path.write_text("a second")
    assert laptop.does("fetch") == 0
    assert "Fetched: 2 files" in capsys.readouterr().out
    assert (results / "cells.csv").read_text() == "a second"
    assert not (results / "changed").exists()
