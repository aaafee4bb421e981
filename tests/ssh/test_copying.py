"""Files to another computer and back: cut anywhere, the other side is whole, or told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from segmake.places import copying
from segmake.places.copying import Outcome, changed
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.place import File
from segmake.places.there import There
from tests.ssh.conftest import Answers, make_key
from tests.ssh.copies import NAMES, contents, go, make_images
from tests.ssh.server import Server


@pytest.fixture
def there(server: Server, monkeypatch: pytest.MonkeyPatch) -> There:
    monkeypatch.setattr(copying, "PATIENCE", (0.01,) * 3)
    (server.user.home / ".bashrc").write_text("[ -t 1 ] || return\n")
    server.permit(make_key())
    server.start(methods="publickey")
    return There(Login(server.host, Answers()))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return make_images(tmp_path / "images")


def test_there_and_back_only_what_is_new(
    there: There, images: Path, server: Server, tmp_path: Path
) -> None:
    seen = []
    sent = go((Here(), images), (there, "copy"), tell=lambda progress: seen.append(progress.files))
    assert sorted(sent.copied) == sorted(NAMES) and seen[-1] == len(NAMES)
    assert contents(server.user.home / "copy") == contents(images)
    assert go((Here(), images), (there, "copy")) == Outcome((), ())
    (images / NAMES[0]).write_bytes(b"changed")
    os.utime(images / NAMES[0], (1.7e9, 1.7e9))
    assert go((Here(), images), (there, "copy")).copied == (NAMES[0],)
    back = go(
        (there, "copy"), (Here(), tmp_path / "back"), wanted=lambda name: name.endswith(".tif")
    )
    wanted = {name: what for name, what in contents(images).items() if name.endswith(".tif")}
    assert contents(tmp_path / "back") == wanted and len(back.copied) == len(wanted)


def test_what_grows_waits(there: There, images: Path, server: Server) -> None:
    (images / "new.tif").write_bytes(b"half")
    assert go((Here(), images), (there, "copy")).growing == ("new.tif",)
    assert "new.tif" not in contents(server.user.home / "copy")


def test_names_with_accents_spelled_in_two_ways() -> None:
    known = File(3, 5.0)
    assert changed({"e\u0301te\u0301.tif": known}, {"\u00e9t\u00e9.tif": known}) == {}
    assert changed({"e\u0301te\u0301.tif": File(4, 5.0)}, {"\u00e9t\u00e9.tif": known}) == {
        "e\u0301te\u0301.tif": "\u00e9t\u00e9.tif"
    }
