"""Which computer and which folder an experiment is computed in, as `segmake remote setup` and `check` tell them."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from segmake import __version__
from segmake.cli import main
from segmake.places.asking import Terminal
from segmake.places.there import There
from segmake.remote.claims import claim
from segmake.remote.known_computers import known_computer, known_computers, login_of
from segmake.remote.memory import Memory, read_memory, write_memory
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.setup.setting_up import Wishes
from tests.answers import held, read_by
from tests.ssh.conftest import Answers
from tests.ssh.server import PASSWORD, Server
from tests.ssh.setups import Done, own, tree


def test_a_computer_is_the_same_whatever_it_is_called_and_on_another_laptop(
    ready: Server, wishes: Wishes, experiment: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    server = ready
    own("config").write_text(
        f"Host mine\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user.name}\n"
    )
    # As an older SegMake noted it, with what was sent then.
    folder = f"{server.user.home}/segmake-experiments/day 1"
    write_place(experiment, PlaceFile("mine", folder, wishes.segmake))
    write_memory(experiment, Memory({"host": "mine", "folder": folder}, {"a": ["b"]}))
    assert asyncio.run(login_works("mine"))
    assert Done(server, experiment, host="", wishes=wishes).code == ""
    place = read_place(experiment)
    assert place == PlaceFile(server.host, folder, wishes.segmake)
    settings = own("config").read_bytes()
    for name in ("mine", server.host, server.host.replace("127.0.0.1", "localhost")):
        done = Done(server, experiment, host=name)
        assert done.code == "" and "entry for mine already" in done.said, done.said
        assert read_place(experiment) == place
        assert read_memory(experiment, place).configs == {"a": ["b"]}
    # Whoever leaves out the user's name is the same user.
    done = Done(server, experiment, "", host=f"localhost:{server.port}")
    assert done.code == "" and f"[Enter: {server.user.name}]" in done.asking.asked[0], done.said
    assert own("config").read_bytes() == settings
    assert [each.host for each in known_computers()] == [server.host]
    assert known_computer("mine") == known_computer(server.host) == known_computers()[0]
    # An entry that leads elsewhere by now is not followed.
    own("config").write_text("Host mine\n  HostName 192.0.2.7\n")
    assert asyncio.run(login_works(place.host))
    # Somebody else's laptop, where the same word is another computer's name.
    assert Done(server, experiment, wishes=Wishes(profile="local")).code == ""
    shutil.copytree(tmp_path / ".ssh", tmp_path / "laptop 2" / ".ssh")
    monkeypatch.setenv("HOME", str(tmp_path / "laptop 2"))
    assert known_computers() == [] and asyncio.run(login_works(place.host))
    # What runs there are started with, too.
    assert Done(server, experiment, host="").code == ""
    assert known_computers()[0].profile == "local" == read_place(experiment).profile


async def login_works(host: str) -> bool:
    place = There(login_of(host, Answers()))
    try:
        return (await place.run(["true"])).code == 0
    finally:
        await place.close()


def test_a_copied_experiment_is_refused_and_set_up_in_a_folder_of_its_own(
    ready: Server, wishes: Wishes, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = ready
    assert Done(server, experiment, wishes=wishes).code == ""
    first = read_place(experiment)
    # What somebody has sent, so that nothing can be taken for new.
    (Path(first.folder) / "config").mkdir()
    copy = experiment.with_name("day 2")
    shutil.copytree(experiment, copy)
    before = tree(Path(first.folder))
    assert main(["remote", "check", str(copy)]) == 1
    assert "SM-REM-055" in capsys.readouterr().out
    for action in ("run", "stop", "status", "fetch"):
        assert main(["remote", action, str(copy), *(["--yes"] if action == "run" else [])]) == 1
        assert "SM-REM-055" in capsys.readouterr().err
    assert tree(Path(first.folder)) == before
    refused = Done(server, copy, host="", wishes=Wishes(folder=first.folder))
    assert refused.code == "SM-REM-055" and read_place(copy) == first
    done = Done(server, copy, host="")
    assert done.code == "" and "is a copy of" in done.said, done.said
    # What the other one has computed is nothing of this one.
    assert "stays on" not in done.said
    assert read_place(copy).folder == f"{Path(first.folder).parent}/day 2"
    claim(copy, read_place(copy))
    # Another one of the same name, which lies elsewhere here.
    other = experiment.parent / "2027" / "day 2"
    shutil.copytree(copy, other)
    (other / "segmake.place").unlink()
    assert Done(server, other, host=server.host).code == ""
    assert read_place(other).folder == f"{Path(first.folder).parent}/day 2-2"
    # A new one of a name that is in use there, of an experiment that is none of this computer, or not any more.
    taken = Path(first.folder).with_name("day 3")
    (taken / "config").mkdir(parents=True)
    shutil.chown(taken, server.user.name)
    new = experiment.parent / "day 3"
    shutil.copytree(experiment / "config", new / "config")
    for yes in (True, False):
        done = Done(server, new, wishes=wishes, yes=yes)
        assert f"{taken} is another experiment's" in done.said and "day 3-2" in done.said, done.said
        assert read_place(new).folder == f"{taken}-2" and (
            yes or "day 3-2]" in done.asking.asked[-1]
        )
        (new / "segmake.place").unlink()
    # Who means the same one says so; what was sent there from here is the same one.
    assert Done(server, new, str(taken), wishes=wishes).code == ""
    assert read_place(new).folder == str(taken)
    write_memory(new, Memory(Memory.of(read_place(new)).place, {"config/config.yaml": ["1"]}))
    (new / "segmake.place").unlink()
    assert Done(server, new, wishes=wishes).code == "" and read_place(new).folder == str(taken)
    # Of an experiment that goes elsewhere something stays, but not if its folder was moved.
    moved = Path(first.folder).rename(f"{first.folder} moved")
    done = Done(server, experiment, host="", wishes=Wishes(folder=str(moved)))
    assert done.code == "" and "stays on" not in done.said, done.said
    done = Done(server, experiment, host="", wishes=Wishes(folder="~/segmake-experiments/new"))
    assert f"stays on {server.host}, in {moved}." in done.said, done.said


def test_what_would_stop_a_run_is_not_called_ready(
    ready: Server, wishes: Wishes, experiment: Path
) -> None:
    server = ready
    local = replace(wishes, profile="local")
    done = Done(server, experiment, wishes=local)
    assert done.said.endswith("Ready. Next: segmake remote run"), done.said
    place = read_place(experiment)
    # What was sent is somewhere else by now: no empty folder is made in its place.
    write_memory(experiment, replace(Memory.of(place), configs={"a": ["b"]}, arrived=True))
    moved = Path(place.folder).rename(f"{place.folder} moved")
    for given, more in ((("",), {}), (("~/mistyped", ""), {}), ((), {"yes": True})):
        lost = Done(server, experiment, *given, host="", **more)
        assert lost.code == "SM-REM-061" and not Path(place.folder).exists(), lost.said
        assert read_place(experiment) == place
    assert not (server.user.home / "mistyped").exists()
    found = Done(server, experiment, str(moved), host="")
    assert found.code == "" and "into" in found.asking.asked[0], found.said
    assert read_place(experiment).folder == str(moved)
    # An engine that nobody may add.
    (experiment / "config" / "config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: cellpose3}\n"
    )
    done = Done(server, experiment, host="")
    assert done.code == "" and "SM-REM-057" in done.said and "Ready" not in done.said
    assert done.said.endswith("before a run can begin."), done.said
    assert Done(server, experiment, site=experiment / "no.yaml").code == "SM-REM-082"


def test_a_path_of_this_computer_is_understood_or_refused(
    ready: Server, shared: Path, experiment: Path
) -> None:
    server = ready
    # As the shell of this computer hands on ~/mine.
    wishes = Wishes(
        segmake=f"{shared}/.venv/bin/segmake", folder=str(Path.home() / "segmake" / "1")
    )
    done = Done(server, experiment, wishes=wishes)
    assert done.code == "" and "the home of this computer" in done.said, done.said
    assert read_place(experiment).folder == f"{server.user.home}/segmake/1"
    for typed in ("C:/Program Files/Git/data", r"\\server\share"):
        done = Done(server, experiment, host="", wishes=Wishes(folder=typed))
        assert done.code == "SM-REM-060", done.said


def test_check_says_what_is_there_and_changes_nothing(
    ready: Server,
    wishes: Wishes,
    experiment: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = ready
    capsys.readouterr()
    assert main(["remote", "check"]) == 1 and "SM-REM-001" in capsys.readouterr().err
    # Whether this machine has Slurm's commands is another matter.
    wishes = replace(wishes, profile="local")
    assert Done(server, experiment, wishes=wishes).code == ""
    aside = Path(read_place(experiment).folder, ".segmake-remote/set-aside/images")
    aside.mkdir(parents=True)
    (aside / "a.tif").write_bytes(b"x" * 3_000_000)
    before = tree(experiment.parent) | tree(server.user.home)
    assert main(["remote", "check", "--json"]) == 0
    said = capsys.readouterr().out
    assert f"\nSegMake {__version__}, with" in read_by("remote.check.pl", said)
    told = held(said)
    assert told["reachable"] and told["typed"] is False and told["folder_is_there"]
    assert told["version_there"] == __version__ and told["free_bytes"] > 0
    assert told["aside_bytes"] >= 3_000_000 and told["key_refused"] is False
    assert main(["remote", "check"]) == 0
    said = capsys.readouterr().out
    assert "All is ready." in said and "any more: 3." in said
    assert tree(experiment.parent) | tree(server.user.home) == before
    known = own("known_hosts").read_text()
    own("known_hosts").write_text("")
    assert main(["remote", "check", "--json"]) == 1
    (told,) = held(capsys.readouterr().out)["problems"]
    assert told["code"] == "SM-SSH-036" and "SHA256:" in told["text"]
    own("known_hosts").write_text(known)
    server.stop()
    assert main(["remote", "check", "--json"]) == 1
    told = held(capsys.readouterr().out)
    assert [each["code"] for each in told["problems"]] == ["SM-SSH-002"]
    server.start(methods="password")
    assert main(["remote", "check", "--json"]) == 1
    told = held(capsys.readouterr().out)
    assert [each["code"] for each in told["problems"]] == ["SM-REM-051"]


def test_check_says_why_a_run_would_fail(
    ready: Server,
    wishes: Wishes,
    experiment: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = ready
    assert Done(server, experiment, wishes=wishes).code == ""
    place = read_place(experiment)

    def codes() -> list[str]:
        capsys.readouterr()
        failed = main(["remote", "check", "--json"])
        problems = held(capsys.readouterr().out)["problems"]
        assert failed == any(each["severity"] == "error" for each in problems)
        return [each["code"] for each in problems]

    # Slurm's commands are there or not as this machine has it, and nothing answers them.
    assert set(codes()) <= {"SM-REM-058"}
    assert Done(server, experiment, host="", wishes=Wishes(profile="local")).code == ""
    assert codes() == []
    place = read_place(experiment)
    # What was sent is gone.
    write_memory(experiment, Memory(Memory.of(place).place, {"config/config.yaml": ["1"]}))
    Path(place.folder).rename(f"{place.folder} moved")
    assert codes() == ["SM-REM-061"]
    assert main(["remote", "check"]) == 1
    said = capsys.readouterr().out
    assert "makes it" not in said and "All is ready" not in said
    Path(f"{place.folder} moved").rename(place.folder)
    # The engine of the config is not there, in a SegMake of others.
    (experiment / "config" / "config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: cellpose3}\n"
    )
    assert codes() == ["SM-REM-057"]
    # Others may write where keys are listed, so that the key is believed no more.
    (server.user.home / ".ssh").chmod(0o777)
    monkeypatch.setattr(Terminal, "secret", Answers([PASSWORD]).secret)
    assert main(["remote", "check"]) == 1
    said = capsys.readouterr().out
    assert f"write to {server.user.home}/.ssh" in said and "No key of this computer" in said
    (server.user.home / ".ssh").chmod(0o700)
    # A start file that talks gets between the files of a run; one that ends the login is a problem of its own.
    (server.user.home / ".bashrc").write_text("echo Welcome\n")
    assert "SM-SSH-015" in codes()
    (server.user.home / ".bashrc").write_text("exit\n")
    assert codes() == ["SM-SSH-041"]
    assert main(["remote", "check"]) == 1
    said = capsys.readouterr().out
    # Nothing is said of the folder, which could not be looked for.
    assert "reached" not in said and "makes it" not in said
