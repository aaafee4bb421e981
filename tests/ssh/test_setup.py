"""`segmake remote setup` with a real OpenSSH server: the login, the key, the entry, as it is done the first time."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from segmake import __version__
from segmake.cli import main
from segmake.places.asking import Terminal
from segmake.remote.known_computers import known_computers
from segmake.remote.remembered import PlaceFile, read_place
from segmake.remote.setup.setting_up import Wishes
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import PASSWORD, Server
from tests.ssh.setups import LISTED, Done, list_key, own, tree

CONFIG = b"# mine, without a computer's name\nServerAliveInterval 30\n\nHost other\n\tUser caf\xc3\xa9\r\n"


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
    assert {each.name for each in kept} == {"computers.json", "experiments.json", "recent.json"}
    assert PASSWORD not in "".join(each.read_text() for each in kept) + first.said

    place = read_place(experiment)
    home = server.user.home
    assert place == PlaceFile(server.host, f"{home}/segmake-experiments/{experiment.name}", program)
    assert Path(place.folder).is_dir() and Path(place.folder).owner() == server.user.name
    assert (home / ".config/snakemake/slurm/profile.yaml").is_file()
    assert f"version {__version__}" in first.said and "free in" in first.said
    assert "To double-click: Open SegMake in the browser.command" in first.said
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


def test_what_is_not_agreed_to_is_not_done(
    over_there: Server, wishes: Wishes, experiment: Path
) -> None:
    server = over_there
    server.start()
    done = Done(server, experiment, PASSWORD, agreed=False)
    assert done.code == "SM-SSH-004"
    # Who has been there before only says no to the key.
    host_key = (server.folder / "host_key.pub").read_text()
    own("known_hosts").write_text(f"[127.0.0.1]:{server.port} {host_key}")
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

    def write(key: str, port: int = server.port) -> None:
        file.write_text(
            f"login:\n  host: 127.0.0.1:{port}\n  user_name: that of your badge\n"
            f"  host_key: '[127.0.0.1]:{server.port} {key.strip()}'\n"
            f"  program: {shared}/.venv/bin/segmake\n  experiments: $HOME/of the institute\n"
            "contact: Jo, room 3\n"
        )

    write(asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode())
    wrong = Done(server, experiment, host=server.host, site=file)
    assert wrong.code == "SM-REM-032" and "Jo, room 3" in wrong.said
    assert wrong.asking.asked == []
    # A port that can't be is told; one that is named besides comes first.
    write((server.folder / "host_key.pub").read_text(), port=99999)
    assert Done(server, experiment, server.user.name, host="", site=file).code == "SM-SSH-010"
    answers = (server.user.name, PASSWORD, "")
    # The name is asked for, and nothing about the computer.
    right = Done(server, experiment, *answers, host="", port=server.port, site=file)
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
    over_there: Server, wishes: Wishes, experiment: Path
) -> None:
    server = over_there
    server.start()
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
    over_there: Server, wishes: Wishes, experiment: Path
) -> None:
    server = over_there
    listed = list_key(server)
    older = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOlder marie@stolen laptop 2025-01-31 (SegMake)"
    listed.write_bytes(LISTED + f"\n{older}\n".encode())
    (server.user.home / ".ssh").chmod(0o777)
    server.user.home.chmod(0o775)
    own("config").write_text("")
    own("config").chmod(0o666)
    server.start()
    done = Done(server, experiment, PASSWORD, "", wishes=wishes)
    assert done.code == "" and "no password is needed" in done.said, done.said
    assert "put in: marie@stolen laptop 2025-01-31 (SegMake). If" in done.said, done.said
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
    over_there: Server, wishes: Wishes, experiment: Path
) -> None:
    server = over_there
    server.set_up_token()
    server.permit(make_key())
    server.start(methods="publickey,keyboard-interactive", second=True)
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


def test_a_number_is_typed_once_even_where_it_is_asked_for_besides_the_key(
    over_there: Server, wishes: Wishes, experiment: Path
) -> None:
    server = over_there
    server.set_up_token()
    # With a key, the number is asked for besides; without one, password and number.
    second = f"Match User {server.user.name}\n  AuthenticationMethods"
    both = "publickey,keyboard-interactive keyboard-interactive"
    server.start(second=True, more=f"{second} {both}")
    done = Done(server, experiment, PASSWORD, server.token, "", wishes=wishes)
    assert done.code == "" and "accepts it. A password or a number" in done.said, done.said
    assert "no password is needed" not in done.said
    assert sum("asks" in each for each in done.asking.asked) == 2, done.asking.asked


def test_through_another_computer_which_gets_the_key_too(
    over_there: Server, wishes: Wishes, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = over_there
    server.start()
    door = f"{server.user.name}@localhost:{server.port}"
    # So that the key has a name that SSH does not know by itself.
    own("id_ed25519").write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    # Of the way, of the computer; none for the key.
    answers = (PASSWORD, PASSWORD, "")
    assert Done(server, experiment, name="far away").code == "SM-REM-039"
    # Whether this machine has Slurm's commands is another matter.
    wishes = replace(wishes, profile="local")
    done = Done(server, experiment, *answers, through=door, wishes=wishes, name="far")
    assert done.code == "", done.said
    assert f"ProxyJump {door}" in own("config").read_text()
    assert f"over {door}" in done.said
    assert f"{door} (on the way to {server.host})" in done.asking.asked[1], done.asking.asked
    assert own("config").read_text().count("IdentityFile ~/.ssh/id_ed25519_segmake") == 2
    again = Done(server, experiment, host="")
    assert (again.code, again.asking.asked) == ("", []), again.said
    # Another laptop, with the same experiment and settings that know nothing of the way.
    place = read_place(experiment)
    assert place.through == door
    own("config").unlink()
    shutil.rmtree(Path("~/.config/segmake").expanduser())
    asking = Answers([PASSWORD, PASSWORD])
    monkeypatch.setattr(Terminal, "secret", asking.secret)
    monkeypatch.setattr(Terminal, "agrees", asking.agrees)
    assert main(["remote", "check"]) == 0
    assert f"{door} (on the way to {server.host})" in asking.asked[0], asking.asked
    again = Done(server, experiment, PASSWORD, PASSWORD, host="")
    assert again.code == "" and f"over {door}" in again.said, again.said
    assert f"ProxyJump {door}" in own("config").read_text() and read_place(experiment) == place


def test_ctrl_d_leaves_and_chooses_nothing(
    over_there: Server, wishes: Wishes, experiment: Path
) -> None:
    server = over_there
    server.start()
    done = Done(server, experiment, PASSWORD, None, wishes=wishes)
    assert done.code == "SM-REM-059" and not own("id_ed25519").exists(), done.said
    server.permit(make_key())
    done = Done(server, experiment, None, wishes=wishes)
    assert done.code == "SM-REM-059" and not (experiment / "segmake.place").exists(), done.said
