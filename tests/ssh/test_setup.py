"""`segmake remote setup` and `check` with a real OpenSSH server, as the user of a laptop does it the first time."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from segmake import __version__
from segmake.cli import main
from segmake.messages import Problem
from segmake.places.asking import Terminal
from segmake.places.there import There
from segmake.remote.claims import claim
from segmake.remote.known_computers import known_computer, known_computers, login_of
from segmake.remote.memory import Memory, read_memory, write_memory
from segmake.remote.remembered import PlaceFile, read_place, write_place
from segmake.remote.setting_up import Wishes, set_up
from segmake.remote.way_there import Way
from tests.answers import held, read_by
from tests.projects import ROOT
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import PASSWORD, Server
from tests.workflow.test_bundle import bundle, environment_of_few_packages  # noqa: F401
from tests.workflow.test_update import PARTS, git

CONFIG = b"# mine, without a computer's name\nServerAliveInterval 30\n\nHost other\n\tUser caf\xc3\xa9\r\n"
LISTED = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample somebody else"


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """SegMake as an institute has it, in a folder that each user may read: what needs no packages of it."""
    folder = Path("/opt") / f"segmake shared {os.getpid()}"
    folder.mkdir(mode=0o755)
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("workflow", "scripts", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, words in (("python", '"$@"'), ("segmake", '-m segmake "$@"')):
        program = programs / name
        program.write_text(
            f"#!/bin/sh\nPYTHONPATH='{folder}/workflow' PYTHONDONTWRITEBYTECODE=1 exec {python()} {words}\n"
        )
        program.chmod(0o755)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


def python() -> str:
    """Return a Python that each user of this machine may run."""
    test = "import sys; sys.exit(sys.version_info < (3, 11))"
    for name in ("/usr/bin/python3", "/usr/bin/python3.12", "/usr/bin/python3.11", sys.executable):
        if shutil.which(name) and subprocess.run([name, "-c", test], check=False).returncode == 0:
            return name
    pytest.skip("there is no Python here that other users may run")


@pytest.fixture
def over_there(server: Server) -> Iterator[Server]:
    """The server, and the home over there in which nothing was set up yet."""

    def clear() -> None:
        made = (".ssh", ".config", ".cache", "segmake", "segmake-experiments")
        for path in (*made, "its repository", "programs", "with a space"):
            shutil.rmtree(server.user.home / path, ignore_errors=True)
        for path in (".bashrc", ".cshrc", ".profile", ".bash_profile", ".google_authenticator"):
            (server.user.home / path).unlink(missing_ok=True)
        server.user.home.chmod(0o755)

    clear()
    yield server
    clear()


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment on the laptop, whose folder has a name as people give them."""
    folder = tmp_path / "Müller's day 1"
    assert main(["new", str(folder), "--simulation"]) == 0
    monkeypatch.chdir(folder)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


class Done:
    """What a set-up said, and what was asked."""

    def __init__(
        self,
        server: Server,
        experiment: Path,
        *answers: str | Callable[[], str] | None,
        agreed: bool = True,
        wishes: Wishes | None = None,
        **way: Any,
    ) -> None:
        self.asking = Answers(list(answers), agreed)
        self.lines: list[str] = []
        self.code = ""
        made = Way(self.asking, self.lines.append, **({"host": server.host} | way))
        try:
            asyncio.run(set_up(made, wishes or Wishes(), experiment))
        except Problem as problem:
            self.code = problem.code
            self.lines.append(str(problem))

    @property
    def said(self) -> str:
        return "\n".join(self.lines)


def own(name: str) -> Path:
    return Path("~/.ssh").expanduser() / name


def list_key(server: Server) -> Path:
    """Have a list with a key of somebody else's over there, and return it."""
    server.permit("")
    path = server.user.home / ".ssh" / "authorized_keys"
    path.write_bytes(LISTED)
    return path


@pytest.mark.parametrize("shell", ["bash", "tcsh"])
def test_from_a_password_to_a_key_and_a_folder_and_a_second_time_all_is_there(
    over_there: Server, shared: Path, experiment: Path, shell: str
) -> None:
    server = over_there
    server.set_shell(shell)
    for name in (".bash_profile", *((".cshrc",) if shell == "tcsh" else ())):
        (server.user.home / name).write_text("echo Welcome to the cluster\n")
    server.start()
    own("config").write_bytes(CONFIG)
    own("known_hosts").write_bytes(b"other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample")
    listed = list_key(server)
    program = f"{shared}/.venv/bin/segmake"
    wishes = Wishes(segmake=program, launchers=(".command", ".desktop"))
    first = Done(server, experiment, PASSWORD, "", wishes=wishes)
    if shell == "tcsh":
        # All is done, and what keeps a run from sending its files is told.
        assert first.code == "SM-SSH-015", first.said
        (server.user.home / ".cshrc").write_text("")
    else:
        assert first.code == "", first.said

    # The key is new, whole, and the user's alone; all else is as it was, byte for byte.
    key = asyncssh.read_private_key(own("id_ed25519"))
    assert own("id_ed25519").stat().st_mode & 0o777 == 0o600
    public = own("id_ed25519.pub").read_bytes()
    assert key.export_public_key() == public
    assert listed.read_bytes() == LISTED + b"\n" + public
    assert own("config").read_bytes().endswith(b"Host *\n\n" + CONFIG)
    assert (
        own("known_hosts")
        .read_bytes()
        .startswith(b"other ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample\n")
    )
    # Neither password nor key is anywhere else.
    kept = list(Path("~/.config/segmake").expanduser().iterdir())
    assert {each.name for each in kept} == {"computers.json", "experiments.json"}
    assert PASSWORD not in "".join(each.read_text() for each in kept) + first.said

    place = read_place(experiment)
    home = server.user.home
    assert place == PlaceFile(server.host, f"{home}/segmake-experiments/{experiment.name}", program)
    assert Path(place.folder).is_dir() and Path(place.folder).owner() == server.user.name
    assert (home / ".config/snakemake/slurm/profile.yaml").is_file()
    assert f"version {__version__}" in first.said and "free in" in first.said
    # OpenSSH itself finds its way by the entry, and what stood before it counts for both.
    ssh = ["ssh", "-F", str(own("config")), "-o", f"UserKnownHostsFile={own('known_hosts')}"]
    ssh += ["-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={own('id_ed25519')}"]
    alone = subprocess.run(
        [*ssh, "-o", "BatchMode=yes", "cluster", "echo I am in"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "I am in" in alone.stdout, alone.stderr
    read = subprocess.run([*ssh, "-G", "cluster"], capture_output=True, text=True, check=True)
    assert "serveraliveinterval 30" in read.stdout

    before = tree(experiment.parent) | tree(home)
    second = Done(server, experiment, host="")
    assert (second.code, second.asking.asked) == ("", []), second.said
    assert "is accepted already" in second.said and "entry for cluster already" in second.said
    after = tree(experiment.parent) | tree(home)
    changed = {name for name, was in before.items() if after.get(name) != was}
    assert {Path(name).name for name in changed} <= {"computers.json", "segmake.place"}
    assert read_place(experiment) == place


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files if ".cache" not in path.parts}


def test_what_is_not_agreed_to_is_not_done(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.start()
    done = Done(server, experiment, PASSWORD, agreed=False)
    assert done.code == "SM-SSH-004"
    # Who has been there before only says no to the key.
    host_key = (server.folder / "host_key.pub").read_text()
    own("known_hosts").write_text(f"[127.0.0.1]:{server.port} {host_key}")
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    done = Done(server, experiment, PASSWORD, agreed=False, wishes=wishes)
    assert done.code == "", done.said
    assert not own("id_ed25519").exists() and not (server.user.home / ".ssh").exists()
    assert read_place(experiment).host == server.host


def test_the_host_key_of_the_institutes_file(
    over_there: Server, shared: Path, experiment: Path, tmp_path: Path
) -> None:
    server = over_there
    server.start()
    file = tmp_path / "lab.yaml"

    def write(key: str) -> None:
        file.write_text(
            f"login:\n  host: 127.0.0.1:{server.port}\n  user_name: that of your badge\n"
            f"  host_key: '[127.0.0.1]:{server.port} {key.strip()}'\n"
            f"  program: {shared}/.venv/bin/segmake\n  experiments: $HOME/of the institute\n"
            "contact: Jo, room 3\n"
        )

    write(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())
    wrong = Done(server, experiment, host=server.host, site=file)
    assert wrong.code == "SM-REM-032" and "Jo, room 3" in wrong.said
    assert wrong.asking.asked == []
    write((server.folder / "host_key.pub").read_text())
    # The name is asked for, and nothing about the computer.
    right = Done(server, experiment, server.user.name, PASSWORD, "", host="", site=file)
    assert right.code == "", right.said
    assert "that of your badge" in right.said
    assert not any("SHA256" in question for question in right.asking.asked)
    place = read_place(experiment)
    assert place.segmake == f"{shared}/.venv/bin/segmake"
    assert place.folder.startswith(f"{server.user.home}/of the institute/")
    # What it said is known the next time, by the new name.
    assert known_computers()[0].handed_out.contact == "Jo, room 3"
    server.stop()
    server.new_host_key()
    server.start()
    own("known_hosts").unlink(missing_ok=True)
    assert Done(server, experiment, host="").code == "SM-REM-032"


def test_a_key_that_is_there_is_used_and_one_that_can_not_be_is_left_alone(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    own("id_ed25519").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    done = Done(server, experiment, PASSWORD, "a phrase", "a phrase", "a phrase", wishes=wishes)
    assert done.code == "" and "with it; no password" in done.said, done.said
    assert own("id_ed25519").read_text() == "PuTTY-User-Key-File-3: ssh-ed25519\n"
    with pytest.raises(asyncssh.KeyImportError):
        asyncssh.read_private_key(own("id_ed25519_segmake"))
    assert "IdentityFile ~/.ssh/id_ed25519_segmake" in own("config").read_text()
    # A login by the new name asks for its passphrase, and for no password.
    again = Done(server, experiment, "a phrase", host="")
    assert again.code == "" and len(again.asking.asked) == 1, again.asking.asked
    for path in (own("id_ed25519"), own("id_ed25519_segmake"), own("config")):
        path.unlink()
    shutil.rmtree(server.user.home / ".ssh")
    public = make_key()
    done = Done(server, experiment, PASSWORD, wishes=wishes)
    assert done.code == "" and "which you have already" in done.said, done.said
    assert (server.user.home / ".ssh/authorized_keys").read_text().strip() == public.strip()


def test_rights_that_keep_a_key_out_are_put_right_and_a_list_that_counts_not_is_told(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    list_key(server)
    (server.user.home / ".ssh").chmod(0o777)
    server.user.home.chmod(0o775)
    own("config").write_text("")
    own("config").chmod(0o666)
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    done = Done(server, experiment, PASSWORD, "", wishes=wishes)
    assert done.code == "" and "no password is needed" in done.said, done.said
    assert own("config").stat().st_mode & 0o022 == 0
    assert (server.user.home / ".ssh").stat().st_mode & 0o022 == 0
    # A centre that takes keys elsewhere.
    server.stop()
    server.start(more="AuthorizedKeysFile none")
    own("config").unlink()
    done = Done(server, experiment, PASSWORD, wishes=wishes)
    assert done.code == "" and "SM-REM-036" in done.said, done.said
    assert own("id_ed25519.pub").read_text().strip() in done.said
    server.stop()
    server.start(methods="publickey", more="AuthorizedKeysFile none")
    own("id_ed25519").unlink()
    own("id_ed25519.pub").unlink()
    done = Done(server, experiment, "", wishes=wishes)
    assert done.code == "SM-REM-034", done.said
    assert own("id_ed25519.pub").read_text().strip() in done.said


def test_a_second_factor_is_asked_for_besides_the_key(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.set_up_token()
    server.permit(make_key())
    server.start(methods="publickey,keyboard-interactive", second=True)
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    done = Done(server, experiment, PASSWORD, server.token, wishes=wishes)
    assert done.code == "" and "will be asked for at each login" in done.said, done.said
    # Where a key takes the place of both, it is made.
    server.stop()
    for path in (own("id_ed25519"), own("config"), server.user.home / ".ssh" / "authorized_keys"):
        path.unlink(missing_ok=True)
    server.start(methods="publickey keyboard-interactive", second=True)
    answers = (PASSWORD, server.token, "")
    done = Done(server, experiment, *answers, wishes=wishes)
    assert done.code == "" and "no password is needed" in done.said, done.said
    assert len(done.asking.asked) == 4, done.asking.asked


def test_through_another_computer_which_gets_the_key_too(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    door = f"{server.user.name}@localhost:{server.port}"
    # So that the key has a name that SSH does not know by itself.
    own("id_ed25519").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    # Of the way, of the computer; none for the key.
    answers = (PASSWORD, PASSWORD, "")
    assert Done(server, experiment, name="far away").code == "SM-REM-039"
    done = Done(server, experiment, *answers, through=door, wishes=wishes, name="far")
    assert done.code == "", done.said
    assert f"ProxyJump {door}" in own("config").read_text()
    assert f"over {door}" in done.said
    assert f"{door} (on the way to {server.host})" in done.asking.asked[1], done.asking.asked
    assert own("config").read_text().count("IdentityFile ~/.ssh/id_ed25519_segmake") == 2
    again = Done(server, experiment, host="")
    assert (again.code, again.asking.asked) == ("", []), again.said


def test_a_computer_is_the_same_whatever_it_is_called_and_on_another_laptop(
    over_there: Server, shared: Path, experiment: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
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
    shutil.copytree(tmp_path / ".ssh", tmp_path / "laptop 2" / ".ssh")
    monkeypatch.setenv("HOME", str(tmp_path / "laptop 2"))
    assert known_computers() == [] and asyncio.run(login_works(place.host))


async def login_works(host: str) -> bool:
    place = There(login_of(host, Answers()))
    try:
        return (await place.run(["true"])).code == 0
    finally:
        await place.close()


def test_a_copied_experiment_is_refused_and_set_up_in_a_folder_of_its_own(
    over_there: Server, shared: Path, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    assert Done(server, experiment, wishes=wishes).code == ""
    first = read_place(experiment)
    # What somebody has sent, so that nothing can be taken for new.
    (Path(first.folder) / "config").mkdir()
    copy = experiment.with_name("day 2")
    shutil.copytree(experiment, copy)
    before = tree(Path(first.folder))
    assert main(["remote", "check", str(copy)]) == 1
    assert "SM-REM-055" in capsys.readouterr().out
    for action in ("run", "stop"):
        assert main(["remote", action, str(copy), *(["--yes"] if action == "run" else [])]) == 1
        assert "SM-REM-055" in capsys.readouterr().err
    assert tree(Path(first.folder)) == before
    refused = Done(server, copy, host="", wishes=Wishes(folder=first.folder))
    assert refused.code == "SM-REM-055" and read_place(copy) == first
    done = Done(server, copy, host="")
    assert done.code == "" and "is a copy of" in done.said, done.said
    assert read_place(copy).folder == f"{Path(first.folder).parent}/day 2"
    claim(copy, read_place(copy))
    # Another one of the same name, which lies elsewhere here.
    other = experiment.parent / "2027" / "day 2"
    shutil.copytree(copy, other)
    (other / "segmake.place").unlink()
    assert Done(server, other, host=server.host).code == ""
    assert read_place(other).folder == f"{Path(first.folder).parent}/day 2-2"


def test_a_path_of_this_computer_is_understood_or_refused(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
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


def test_ctrl_d_leaves_and_chooses_nothing(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    done = Done(server, experiment, PASSWORD, None, wishes=wishes)
    assert done.code == "SM-REM-059" and not own("id_ed25519").exists(), done.said
    server.permit(make_key())
    done = Done(server, experiment, None, wishes=wishes)
    assert done.code == "SM-REM-059" and not (experiment / "segmake.place").exists(), done.said


def test_a_number_is_typed_once_even_where_it_is_asked_for_besides_the_key(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.set_up_token()
    # With a key, the number is asked for besides; without one, password and number.
    second = f"Match User {server.user.name}\n  AuthenticationMethods"
    both = "publickey,keyboard-interactive keyboard-interactive"
    server.start(second=True, more=f"{second} {both}")
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    done = Done(server, experiment, PASSWORD, server.token, "", wishes=wishes)
    assert done.code == "" and "accepts it. A password or a number" in done.said, done.said
    assert "no password is needed" not in done.said
    assert sum("asks" in each for each in done.asking.asked) == 2, done.asking.asked


def test_segmake_is_found_or_named_or_it_is_said_how_to_get_it(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    none = Done(server, experiment)
    assert none.code == "SM-REM-041" and "not found" in none.said
    # What worked is remembered.
    assert (known_computers()[0].host, known_computers()[0].entry) == (server.host, "cluster")
    mistyped = Done(server, experiment, host="", wishes=Wishes(segmake="/no/such/segmake"))
    assert mistyped.code == "SM-REM-040"
    no_way = Done(server, experiment, host="", wishes=Wishes(address=f"{shared}/no.git"))
    assert no_way.code == "SM-REM-042" and "bundle.sh" in no_way.said
    (server.user.home / ".profile").write_text(f"PATH='{shared}/.venv/bin':$PATH\n")
    found = Done(server, experiment, host="", wishes=Wishes(folder="/proc/segmake"))
    assert found.code == "SM-REM-046" and f"{shared}/.venv/bin/segmake" in found.said
    (experiment / "config" / "config.yaml").unlink()
    without = Done(server, experiment, host="")
    assert without.code == "" and "no experiment in this folder" in without.said


def test_check_says_what_is_there_and_changes_nothing(
    over_there: Server,
    shared: Path,
    experiment: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    capsys.readouterr()
    assert main(["remote", "check"]) == 1 and "SM-REM-001" in capsys.readouterr().err
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    assert Done(server, experiment, wishes=wishes).code == ""
    before = tree(experiment.parent) | tree(server.user.home)
    assert main(["remote", "check", "--json"]) == 0
    said = capsys.readouterr().out
    assert f"\nSegMake {__version__}, with" in read_by("remote.check.pl", said)
    told = held(said)
    assert told["reachable"] and told["typed"] is False and told["folder_is_there"]
    assert told["version_there"] == __version__ and told["free_bytes"] > 0
    assert main(["remote", "check"]) == 0
    assert "All is ready." in capsys.readouterr().out
    assert tree(experiment.parent) | tree(server.user.home) == before
    server.stop()
    assert main(["remote", "check", "--json"]) == 1
    told = held(capsys.readouterr().out)
    assert [each["code"] for each in told["problems"]] == ["SM-SSH-002"]
    server.start(methods="password")
    assert main(["remote", "check", "--json"]) == 1
    told = held(capsys.readouterr().out)
    assert [each["code"] for each in told["problems"]] == ["SM-REM-051"]


def test_check_says_why_a_run_would_fail(
    over_there: Server,
    shared: Path,
    experiment: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    wishes = Wishes(segmake=f"{shared}/.venv/bin/segmake")
    assert Done(server, experiment, wishes=wishes).code == ""
    place = read_place(experiment)

    def codes() -> list[str]:
        capsys.readouterr()
        failed = main(["remote", "check", "--json"])
        problems = held(capsys.readouterr().out)["problems"]
        assert failed == any(each["severity"] == "error" for each in problems)
        return [each["code"] for each in problems]

    # Slurm's commands are there or not as this machine has it, and nothing answers them.
    known = codes()
    assert set(known) <= {"SM-REM-058"}
    # What was sent is gone.
    write_memory(experiment, Memory(Memory.of(place).place, {"config/config.yaml": ["1"]}))
    Path(place.folder).rename(f"{place.folder} moved")
    assert [*codes()] == ["SM-REM-061", *known]
    assert main(["remote", "check"]) == 1
    said = capsys.readouterr().out
    assert "makes it" not in said and "All is ready" not in said
    Path(f"{place.folder} moved").rename(place.folder)
    # The engine of the config is not there, in a SegMake of others.
    (experiment / "config" / "config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: cellpose3}\n"
    )
    assert [*codes()] == ["SM-REM-057", *known]
    # Others may write where keys are listed, so that the key is believed no more.
    (server.user.home / ".ssh").chmod(0o777)
    monkeypatch.setattr(Terminal, "secret", Answers([PASSWORD]).secret)
    assert main(["remote", "check"]) == 1
    assert f"write to {server.user.home}/.ssh" in capsys.readouterr().out
    (server.user.home / ".ssh").chmod(0o700)
    # A start file that talks gets between the files of a run; one that ends the login is a problem of its own.
    (server.user.home / ".bashrc").write_text("echo Welcome\n")
    assert "SM-SSH-015" in codes()
    (server.user.home / ".bashrc").write_text("exit\n")
    assert codes() == ["SM-SSH-011"]
    assert main(["remote", "check"]) == 1
    assert "reached" not in capsys.readouterr().out


def test_an_engine_is_added_to_a_segmake_of_ones_own(
    over_there: Server, shared: Path, experiment: Path
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    asked = Wishes(segmake=f"{shared}/.venv/bin/segmake", engine="cellpose3")
    refused = Done(server, experiment, wishes=asked)
    assert refused.code == "SM-REM-057" and "--into ~/segmake" in refused.said, refused.said
    home = server.user.home
    shutil.copytree(shared, home / "segmake")
    for program in (home / "segmake/.venv/bin").iterdir():
        program.write_text(program.read_text().replace(str(shared), str(home / "segmake")))
    # What stands for the set-up, of which other tests tell: it makes the engine's Python.
    (home / "segmake/scripts/setup.sh").write_text(
        'case " $* " in *" --engine cellpose3 "*) ;; *) exit 0 ;; esac\n'
        f"mkdir -p '{home}/segmake/.environments/cellpose3/bin'\n"
        f"echo made >'{home}/segmake/.environments/cellpose3/bin/python'\n"
    )
    subprocess.run(["chown", "-R", server.user.name, str(home / "segmake")], check=True)
    (experiment / "config" / "config.yaml").write_text(
        "images: {folder: images}\nsegmentation: {engine: cellpose3}\n"
    )
    wishes = Wishes(segmake=f"{home}/segmake/.venv/bin/segmake")
    no = Done(server, experiment, agreed=False, wishes=wishes)
    assert no.code == "" and any("cellpose3" in each for each in no.asking.asked), no.said
    assert not (home / "segmake/.environments").exists()
    done = Done(server, experiment, wishes=replace(wishes, engine="cellpose3"))
    assert done.code == "" and "Installing the engine cellpose3" in done.said, done.said
    assert (home / "segmake/.environments/cellpose3/bin/python").read_text() == "made\n"
    again = Done(server, experiment, wishes=replace(wishes, engine="cellpose3"))
    assert again.code == "" and "Installing" not in again.said, again.said


@pytest.fixture
def repository(over_there: Server) -> Path:
    """A repository of SegMake that the user over there can clone."""
    folder = over_there.user.home / "its repository"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in (*PARTS, "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=left_out)
        else:
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "As it is")
    subprocess.run(["chown", "-R", over_there.user.name, str(folder)], check=True)
    return folder


def test_segmake_is_cloned_and_what_its_set_up_says_is_told_and_why_it_stopped(
    over_there: Server, repository: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    wishes = Wishes(address=str(repository), into="with a space/it's", engine="nosuch")
    done = Done(server, experiment, wishes=wishes)
    assert done.code == "SM-REM-043", done.said
    # The set-up's own words, in the language of whoever sits here.
    assert "SM-SET-002" in done.said and "Il n'y a pas de moteur" in done.said
    assert (server.user.home / "with a space/it's/scripts/setup.sh").is_file()
    assert not list((server.user.home / "with a space").glob("*segmake-part*"))


def test_a_cluster_without_a_python_that_fits_gets_one_whatever_the_connection_does(
    over_there: Server, repository: Path, experiment: Path
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    (repository / "environment.yml").write_text(environment_of_few_packages())
    git(repository, "-c", "safe.directory=*", "commit", "--quiet", "-a", "-m", "Few packages")
    subprocess.run(["chown", "-R", server.user.name, str(repository)], check=True)
    # As on many a login node: an old Python, and one that only says that a module is to be loaded.
    programs = server.user.home / "programs"
    programs.mkdir()
    for name in ("python", "python3", "python3.11", "python3.12", "conda"):
        (programs / name).write_text("#!/bin/sh\necho module load it >&2; exit 127\n")
    # What stands for uv: there is no internet here that it could fetch a Python from.
    (programs / "uv").write_text(
        "#!/bin/sh\nset -e\nbin=$UV_PYTHON_INSTALL_DIR/cpython/bin\n"
        'if [ "$2" = find ]; then echo "$bin/python3.12"; exit; fi\n'
        f'mkdir -p "$bin" && ln -s {python()} "$bin/python3.12"\n'
    )
    subprocess.run(["chmod", "-R", "755", str(programs)], check=True)
    (server.user.home / ".profile").write_text(f"PATH={programs}:$PATH\n")
    log = server.user.home / ".cache/segmake/remote-setup.log"
    lines: list[str] = []

    def cut(line: str) -> None:
        """Lose the connection as soon as the set-up over there is at work."""
        lines.append(line)
        if log.exists() and server.processes:
            server.stop()

    wishes = Wishes(address=str(repository), engine="none")
    with pytest.raises(Problem) as lost:
        asyncio.run(set_up(Way(Answers(), cut, host=server.host), wishes, experiment))
    assert lost.value.code in ("SM-SSH-002", "SM-SSH-010"), lines
    begun = log.read_text()
    server.start()
    done = Done(server, experiment, host="", wishes=wishes)
    assert done.code == "" and f"version {__version__}" in done.said, done.said
    # It went on meanwhile, and was not begun anew.
    assert begun and log.read_text().startswith(begun)
    program = read_place(experiment).segmake
    assert program == f"{server.user.home}/segmake/.venv/bin/segmake"
    assert "cpython" in os.readlink(Path(program).with_name("python3.12"))
    again = Done(server, experiment, host="", wishes=wishes)
    assert again.code == "" and "Installing" not in again.said


@pytest.mark.long
def test_segmake_is_installed_from_one_file(
    over_there: Server,
    bundle: Path,  # noqa: F811
    experiment: Path,
) -> None:
    server = over_there
    server.permit(make_key())
    server.start()
    done = Done(server, experiment, wishes=Wishes(bundle=bundle, engine="none"))
    assert done.code == "" and f"version {__version__}" in done.said, done.said
    assert read_place(experiment).segmake == f"{server.user.home}/segmake/.venv/bin/segmake"
    sent = server.user.home / ".cache/segmake" / bundle.name
    assert sent.read_bytes() == bundle.read_bytes()
