"""Files to another computer and back: the other side is the same byte for byte, or it is told."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from segmake.messages import Problem
from segmake.places import attempt, copying, parts
from segmake.places.copying import Outcome
from segmake.places.differences import SMALL
from segmake.places.here import Here
from segmake.places.login import Login
from segmake.places.place import PART, PIECE
from segmake.places.there import There
from tests.disks import remount, small_disk
from tests.ssh.conftest import Answers, make_key
from tests.ssh.copies import NAMES, SIZES, Calls, Cut, contents, go, make, make_images, network
from tests.ssh.server import PASSWORD, Server


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


@pytest.fixture
def far(server: Server, tmp_path: Path) -> Path:
    """A folder of the user's over there."""
    path = server.user.home / tmp_path.name
    path.mkdir()
    shutil.chown(path, server.user.name)
    return path


def told(code: str, call: Callable[[], object]) -> str:
    """Return what is said when something goes wrong."""
    with pytest.raises(Problem, match=code) as problem:
        call()
    return str(problem.value)


def test_there_and_back_only_what_is_new(
    there: There, images: Path, far: Path, tmp_path: Path
) -> None:
    seen = []
    sent = go((Here(), images), (there, far), tell=lambda progress: seen.append(progress.files))
    assert sorted(sent.copied) == sorted(NAMES) and seen[-1] == len(NAMES)
    assert contents(far) == contents(images)
    assert go((Here(), images), (there, far)) == Outcome((), ())
    make(images / NAMES[0], b"changed")
    assert go((Here(), images), (there, far)).copied == (NAMES[0],)
    back = go((there, far), (Here(), tmp_path / "back"), wanted=lambda name: name.endswith(".tif"))
    wanted = {name: what for name, what in contents(images).items() if name.endswith(".tif")}
    assert contents(tmp_path / "back") == wanted and len(back.copied) == len(wanted)


@pytest.mark.parametrize("hour", [0, 3600, -3600], ids=["right", "ahead", "behind"])
def test_what_grows_waits_whatever_the_clocks_say(
    there: There, images: Path, far: Path, monkeypatch: pytest.MonkeyPatch, hour: int
) -> None:
    monkeypatch.setattr(copying, "QUIET_SECONDS", 1)
    # The disk of the microscope is an hour wrong.
    now = time.time() + hour
    for name in ("grows.tif", "rests.tif"):
        (images / name).write_bytes(b"half")
        os.utime(images / name, (now, now))

    class Growing(Here):
        async def files(self, folder: str, *, unread: list[str] | None = None):
            found = await super().files(folder, unread=unread)
            with (images / "grows.tif").open("ab") as file:
                file.write(b"more")
            os.utime(images / "grows.tif", (now, now))
            return found

    sent = go((Growing(), images), (there, far))
    assert sent.growing == ("grows.tif",) and "rests.tif" in sent.copied
    assert "grows.tif" not in contents(far)
    assert go((Here(), images), (there, far)).copied == ("grows.tif",)
    assert contents(far) == contents(images)


@pytest.mark.parametrize("size", [5000, SMALL + 1])
@pytest.mark.parametrize("way", ["there", "back"])
def test_what_changes_while_it_is_copied(
    there: There, far: Path, tmp_path: Path, way: str, size: int
) -> None:
    """Longer, shorter, written anew with as many bytes, gone: what was read is never taken for what is there now."""
    here = tmp_path / "here"
    origin, target = (here, far) if way == "there" else (far, here)
    files = {
        name: make(origin / name, os.urandom(size)) for name in ("long", "short", "new", "gone")
    }

    def change() -> None:
        files["long"].write_bytes(os.urandom(size + 1))
        files["short"].write_bytes(os.urandom(size - 1))
        make(files["new"], os.urandom(size))
        os.utime(files["new"], (1.7e9, 1.7e9))
        files["gone"].unlink()
        make(origin / "same", b"same")

    inner = Here() if way == "there" else there
    # After the first look, and before anything is read.
    source = Cut(inner, Calls(1, change, after=True))
    other = there if way == "there" else Here()
    sent = go((source, origin), (other, target), quiet=0)
    assert set(sent.growing) == {"long", "short", "new"} and sent.copied == ()
    assert go((inner, origin), (other, target), quiet=0).copied == ("long", "new", "same", "short")
    assert contents(target) == contents(origin)


def test_full_disk_over_there_and_here(
    there: There, images: Path, far: Path, tmp_path: Path
) -> None:
    large = {name: make(images / name, os.urandom(PIECE)) for name in ("a", "b", "c")}
    enough = f"{(sum(SIZES) + 3 * PIECE) // 1024 + 64}k"
    for source, target, disk in (
        ((Here(), images), there, far / "disk"),
        ((there, far / "from"), Here(), tmp_path / "disk"),
    ):
        if target is not there:
            shutil.copytree(images, far / "from", copy_function=shutil.copy2)
        with small_disk(disk, "256k"):
            shutil.chown(disk, far.owner())
            code = "SM-SSH-016" if target is there else "SM-SSH-040"
            assert "262" in told(code, lambda: go(source, (target, disk)))  # noqa: B023
            assert contents(disk) == {}
            # Somebody else takes the room in the meantime.
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(attempt.Attempt, "_make_room", _as_if_there_were_room)
                said = told("SM-SSH-021", lambda: go(source, (target, disk)))  # noqa: B023
            assert "The disk is full" in said and "error" not in said and "No space" not in said
            whole = {n: w for n, w in contents(disk).items() if PART not in n}
            assert {n: images.joinpath(n).read_bytes() for n in whole} == whole
            remount(disk, f"size={enough}")
            go(source, (target, disk))
            assert contents(disk) == contents(images)
    assert len(large) == 3


async def _as_if_there_were_room(*_: object) -> None: ...


def test_links_pipes_and_what_nobody_may_read(
    there: There, far: Path, server: Server, tmp_path: Path
) -> None:
    """Links are followed at both sides, but not in circles; what is no file is passed over; the rest is told."""
    here = tmp_path / "here"
    for name, size in (("small", 9), ("large", SMALL + 1)):
        make(tmp_path / "share" / name, os.urandom(size))
    make(here / "file", b"file")
    (here / "share").symlink_to(tmp_path / "share")
    (here / "one").symlink_to(tmp_path / "share" / "small")
    (here / "circle").symlink_to(here)
    (here / "nothing").symlink_to("nowhere")
    (here / "empty").mkdir()
    os.mkfifo(here / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(here / "socket"))
    # Over there the folder leads to another disk.
    with small_disk(server.user.home / f"{far.name} disk", "4m"):
        disk = server.user.home / f"{far.name} disk"
        shutil.chown(disk, server.user.name)
        (far / "share").symlink_to(disk)
        make(far / "target", b"kept")
        (far / "one").symlink_to(far / "target")
        go((Here(), here), (there, far))
        expected = {"file", "one", "share/small", "share/large", "target"}
        assert set(contents(far)) | {f"share/{n}" for n in contents(disk)} == expected
        assert (far / "one").read_bytes() == (here / "one").read_bytes()
        assert (far / "target").read_bytes() == b"kept"
        assert go((Here(), here), (there, far)) == Outcome((), ())
        (far / "file").chmod(0)
        (far / "closed").mkdir(mode=0o700)
        shutil.chown(disk / "large", server.user.name)
        (disk / "large").chmod(0)
        shutil.chown(far / "file", "root")
        (far / "share2").symlink_to(far)
        back = tmp_path / "back"
        said = told("SM-SSH-018", lambda: go((there, far), (Here(), back)))
        assert all(name in said for name in ("3 files", "file", "share/large", "closed/"))
        assert set(contents(back)) == {"one", "share/small", "target"}


def test_folders_in_place_of_files(there: There, far: Path, tmp_path: Path) -> None:
    make(tmp_path / "here" / "a" / "b", b"1")
    make(far / "a", b"2")
    assert " a is a folder" in told(
        "SM-SSH-020", lambda: go((Here(), tmp_path / "here"), (there, far))
    )
    assert "a is a folder" in told(
        "SM-SSH-020", lambda: go((there, far), (Here(), tmp_path / "here"))
    )
    assert contents(far) == {"a": b"2"}


def test_two_laptops_at_one_folder(
    there: There, images: Path, far: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is one of the two as a whole; what another laptop has begun is neither used nor removed."""
    other = images.with_name("other")
    make_images(other)
    second = There(Login(server.host, Answers()))

    async def both() -> None:
        await asyncio.gather(
            copying.copy((Here(), str(images)), (there, str(far))),
            copying.copy((Here(), str(other)), (second, str(far))),
        )
        await asyncio.gather(there.close(), second.close())

    asyncio.run(both())
    ours, theirs = contents(images), contents(other)
    assert all(what in (ours[name], theirs[name]) for name, what in contents(far).items())
    assert set(contents(far)) == set(NAMES)
    make(images / "large", os.urandom(2 * PIECE))
    source = Cut(Here(), Calls(3, server.stop, after=False))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(parts, "host_name", lambda: "another")
        with pytest.raises(Problem):
            go((source, images), (there, far))
    server.stop()
    server.start(methods="publickey")
    left = {name: what for name, what in contents(far).items() if PART in name}
    assert left
    go((Here(), images), (there, far))
    now = contents(far)
    assert now["large"] == (images / "large").read_bytes()
    assert {name: now.get(name) for name in left} == left


def test_content_is_compared_on_demand(there: There, images: Path, far: Path) -> None:
    go((Here(), images), (there, far))
    for name in (NAMES[1], NAMES[5]):
        path = far / name
        known = path.stat().st_mtime
        damaged = bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]
        path.write_bytes(damaged)
        os.utime(path, (known, known))
    assert go((Here(), images), (there, far)).copied == ()
    assert go((Here(), images), (there, far), checked=True).copied == tuple(
        sorted([NAMES[1], NAMES[5]])
    )
    assert contents(far) == contents(images)


@pytest.mark.parametrize("tool", ["find", "tar"])
def test_other_tools_over_there_are_told(
    there: There, images: Path, far: Path, tool: str, server: Server
) -> None:
    """As where another system is over there, or a very small one."""
    folder = server.user.home / "tools"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / tool).write_text(f"#!/bin/sh\necho '{tool}: unrecognized: -printf' >&2\nexit 1\n")
    (folder / tool).chmod(0o755)
    server.stop()
    server.start(methods="publickey", more=f"SetEnv PATH={folder}:/usr/bin:/bin")
    told("SM-SSH-019", lambda: go((Here(), images), (there, far)))


@pytest.mark.parametrize("sftp", ["", "Subsystem sftp /bin/false"])
def test_no_sftp(there: There, images: Path, far: Path, server: Server, sftp: str) -> None:
    server.stop()
    server.start(methods="publickey", sftp=sftp)
    told("SM-SSH-023", lambda: go((Here(), images), (there, far)))


def test_a_lost_connection_is_asked_for_once(
    server: Server, images: Path, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a second factor, and told why."""
    monkeypatch.setattr(copying, "PATIENCE", (0.01,) * 3)
    monkeypatch.setattr("segmake.places.login.ALIVE_SECONDS", 0.5)
    server.set_up_token()
    server.start(methods="publickey,keyboard-interactive", second=True)
    server.permit(make_key())
    asking = Answers([*_factors(server), *_factors(server)])
    with network(server.port) as between:
        host = f"{server.user.name}@127.0.0.1:{between.port}"
        there = Cut(There(Login(host, asking)), Calls(3, between.stop, after=False))
        go((Here(), images), (there, far))
    assert contents(far) == contents(images)
    assert [("lost" in question) for question in asking.asked] == [False] * 3 + [True, False]


def _factors(server: Server) -> list[str | Callable[[], str]]:
    return [PASSWORD, server.token]


def test_ten_thousand_small_files(there: There, far: Path, tmp_path: Path) -> None:
    here = tmp_path / "here"
    for number in range(10_000):
        path = here / f"{number // 1000}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    subprocess.run(["find", str(here), "-exec", "touch", "-d", "2020-01-01", "{}", "+"], check=True)
    assert len(go((Here(), here), (there, far)).copied) == 10_000
    assert len(go((there, far), (Here(), tmp_path / "back")).copied) == 10_000
    assert contents(tmp_path / "back") == contents(here)
    assert go((Here(), here), (there, far)) == Outcome((), ())
