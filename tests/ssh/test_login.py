"""Logging in at a real OpenSSH server: keys, passwords, a second factor, a computer in between, and what goes wrong."""

from __future__ import annotations

import asyncio
import shlex
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from segmake.messages import Problem
from segmake.places import login
from segmake.places.host_keys import HostKeys
from segmake.places.login import Login
from segmake.places.there import There
from tests.ssh.conftest import Answers, make_key
from tests.ssh.server import PASSWORD, Server


def there(server: Server, *answers: Any, agreed: bool = True, **more: Any) -> tuple[There, Answers]:
    asking = Answers(list(answers), agreed)
    return There(Login(server.host, asking, **more)), asking


def told(place: There) -> str:
    """Return what a command says, or the code of what went wrong."""

    async def go() -> str:
        try:
            return (await place.run(["echo", "it's", "$HOME", "a\nb"])).text
        except Problem as problem:
            return problem.code
        finally:
            await place.close()

    return asyncio.run(go())


HERE = "it's $HOME a\nb\n"


def test_password_and_unknown_host(server: Server) -> None:
    server.start()
    place, asking = there(server, "wrong", PASSWORD)
    assert told(place) == HERE
    assert len(asking.asked) == 3 and "SHA256:" in asking.asked[0]
    # The second time the computer is known.
    place, asking = there(server, PASSWORD)
    assert told(place) == HERE
    assert len(asking.asked) == 1
    assert "127.0.0.1" in Path("~/.ssh/known_hosts").expanduser().read_text()


def test_what_is_refused(server: Server) -> None:
    server.start()
    assert told(there(server, agreed=False)[0]) == "SM-SSH-004"
    assert told(there(server, "wrong", "wrong", "wrong", "wrong")[0]) == "SM-SSH-034"
    server.stop()
    assert told(there(server)[0]) == "SM-SSH-002"
    server.start(methods="publickey")
    make_key()
    assert told(there(server)[0]) == "SM-SSH-007"
    server.stop()
    server.new_host_key()
    server.start()
    place, asking = there(server, PASSWORD)
    with pytest.raises(Problem) as changed:
        asyncio.run(place.connect())
    assert changed.value.code == "SM-SSH-005" and asking.asked == []
    # What the message says to type takes the old key out.
    command = changed.value.remedy.split("`")[1]
    known = Path("~/.ssh/known_hosts").expanduser()
    subprocess.run([*shlex.split(command), "-f", str(known)], check=True, capture_output=True)
    assert told(there(server, PASSWORD)[0]) == HERE
    # Where that would help nothing, each place that still has the old key is named.
    old = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    line = f"[127.0.0.1]:{server.port} {old}"
    system = known.with_name("of this computer")
    system.write_text(line)
    keys = HostKeys((known, system), (line,))
    known.write_text("")
    place, asking = there(server, PASSWORD, host_keys=keys)
    with pytest.raises(Problem, match="SM-SSH-033") as changed:
        asyncio.run(place.connect())
    ways = changed.value.remedy.splitlines()[1:]
    assert len(ways) == 2 and str(system) in ways[0] and "setup --site" in ways[1]
    # What nobody but an administrator can do is not told as theirs.
    assert "administrator" in ways[0] and "ssh-keygen" not in changed.value.remedy
    assert asking.asked == []


def test_no_such_computer(server: Server) -> None:
    assert told(There(Login("nobody.invalid", Answers()))) == "SM-SSH-001"
    Path("~/.ssh/config").expanduser().write_text("Host cluster\n  Port many\n")
    assert told(There(Login("cluster", Answers()))) == "SM-SSH-009"


def test_keys(server: Server) -> None:
    server.start(methods="publickey")
    handed_out = (f"[127.0.0.1]:{server.port} {(server.folder / 'host_key.pub').read_text()}",)
    known = {"host_keys": HostKeys(handed_out=handed_out)}
    server.permit(make_key())
    place, asking = there(server, **known)
    assert told(place) == HERE
    assert asking.asked == []
    server.permit(make_key("a phrase"))
    place, asking = there(server, "another", "a phrase", **known)
    assert told(place) == HERE
    assert len(asking.asked) == 2
    # Over there, somebody else could have written the list of keys.
    (server.user.home / ".ssh").chmod(0o777)
    assert told(there(server, "a phrase", **known)[0]) == "SM-SSH-007"
    (server.user.home / ".ssh").chmod(0o700)


def test_a_key_of_the_agent(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lets no key file in by itself is in the agent; a file that is no key of OpenSSH's keeps none of it out."""
    server.permit(make_key())
    server.start(methods="publickey")
    key = Path("~/.ssh/id_ed25519").expanduser()
    socket = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert agent.poll() is None
            time.sleep(0.05)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(key)], check=True)
        for content in (None, "PuTTY-User-Key-File-3: ssh-ed25519\n"):
            key.unlink(missing_ok=True)
            if content:
                key.write_text(content)
            place, asking = there(server)
            assert told(place) == HERE
            assert not any("assphrase" in each for each in asking.asked)
        monkeypatch.delenv("SSH_AUTH_SOCK")
        assert told(there(server)[0]) == "SM-SSH-007"
    finally:
        agent.kill()
        agent.wait()


def test_second_factor(server: Server) -> None:
    server.set_up_token()
    server.start(methods="publickey,keyboard-interactive", second=True)
    server.permit(make_key())
    place, asking = there(server, PASSWORD, server.token)

    async def several() -> list[str]:
        runs = [place.run(["echo", str(number)]) for number in range(5)]
        answers = [answer.text.strip() for answer in await asyncio.gather(*runs)]
        await place.close()
        return answers

    assert asyncio.run(several()) == ["0", "1", "2", "3", "4"]
    assert len(asking.asked) == 3 and "erification" in asking.asked[2]
    # A number that is called a password is none, of which one is told to look at Caps Lock.
    server.set_up_token(asks="One-time password (OATH) for you: ")
    assert told(there(server, *(PASSWORD, "000000") * 3)[0]) == "SM-SSH-006"


# What a machine with much else to do needs for its part of a login.
LOGIN_SECONDS = 20


class Slow(Answers):
    """A user who looks for the telephone first."""

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        await asyncio.sleep(LOGIN_SECONDS + 1 if "erification" in question else 0)
        return await super().secret(question, shown=shown)


class Gone(Answers):
    """A user who has left."""

    async def secret(self, question: str, *, shown: bool = False) -> str | None:
        await asyncio.sleep(600)
        return await super().secret(question, shown=shown)


def test_whoever_types_has_the_time_that_the_other_computer_gives(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "CONNECT_SECONDS", LOGIN_SECONDS)
    server.set_up_token()
    server.start(methods="publickey,keyboard-interactive", second=True)
    server.permit(make_key("a phrase"))
    asking = Slow(["a phrase", PASSWORD, server.token])
    assert told(There(Login(server.host, asking))) == HERE
    server.stop()
    server.start(more=f"LoginGraceTime {LOGIN_SECONDS + 2}")
    assert told(There(Login(server.host, Gone()))) == "SM-SSH-035"
    # A computer that says nothing is out of reach all the same, also where it is on the way to another one.
    monkeypatch.setattr(login, "CONNECT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"marie@127.0.0.1:{silent.getsockname()[1]}"
        assert told(There(Login(host, Answers()))) == "SM-SSH-003"
        beyond = Login("marie@cluster.invalid", Answers(), through=host)
        assert told(There(beyond)) == "SM-SSH-042"


def test_through_another_computer(server: Server) -> None:
    server.start()
    Path("~/.ssh/config").expanduser().write_text(
        f"Host door\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user.name}\n"
        f"Host cluster\n  HostName localhost\n  Port {server.port}\n  User {server.user.name}\n  ProxyJump door\n"
    )
    asking = Answers([PASSWORD, PASSWORD])
    assert told(There(Login("cluster", asking))) == HERE
    # Each question says whose it is.
    assert "for door (on the way to cluster)" in asking.asked[1]
    assert "for cluster (" in asking.asked[3]
    # A way that ends at the door is told so, and its connection is closed.
    config = Path("~/.ssh/config").expanduser()
    config.write_text(
        config.read_text().replace("HostName localhost", "HostName 127.0.0.1\n  Port 1")
    )
    away = There(Login("cluster", Answers([PASSWORD])))
    assert told(away) == "SM-SSH-032"
    assert all(passed.is_closed() for passed in away.login.passed.values())


def test_whose_question_it_is_why_it_is_asked_and_who_leaves_it(server: Server) -> None:
    server.start()
    # Over there, somebody else could have written the list of keys.
    server.permit(make_key())
    (server.user.home / ".ssh").chmod(0o777)
    place, asking = there(server, "wrong", None)
    assert told(place) == "SM-SSH-030"
    assert "does not accept the key" in asking.asked[1]
    assert "Once more" in asking.asked[2] and "the key" not in asking.asked[2]
    (server.user.home / ".ssh").chmod(0o700)
    Path("~/.ssh/id_ed25519").expanduser().unlink()
    place, asking = there(server, PASSWORD)
    assert told(place) == HERE and "the key" not in asking.asked[0]
    server.stop()
    server.set_up_token()
    server.start(methods="keyboard-interactive", second=True)
    place, asking = there(server, PASSWORD, "000000", PASSWORD, server.token)
    assert told(place) == HERE
    assert [f"{server.host} asks" in each for each in asking.asked] == [True] * 4
    assert ["wait for a new one" in each for each in asking.asked] == [False, False, True, False]


def test_a_port_where_nobody_listens_and_no_way_at_all(server: Server) -> None:
    # Of a computer with two addresses, both are tried.
    for name in ("127.0.0.1", "localhost"):
        with pytest.raises(Problem) as refused:
            asyncio.run(There(Login(f"marie@{name}:9", Answers())).connect())
        assert refused.value.code == "SM-SSH-002"
        assert "port 9." in str(refused.value) and f"`marie@{name}:2222`" in str(refused.value)
    Path("~/.ssh/config").expanduser().write_text("Host cluster\n  HostName 127.0.0.1\n  Port 9\n")
    with pytest.raises(Problem) as refused:
        asyncio.run(There(Login("cluster", Answers())).connect())
    assert "`127.0.0.1:2222`" in str(refused.value)
    # What is multicast's takes no connection.
    assert told(There(Login("marie@224.0.0.1", Answers()))) == "SM-SSH-031"


@pytest.mark.parametrize("shell", ["bash", "tcsh", "fish", "sh"])
def test_any_login_shell_even_one_that_talks(server: Server, shell: str) -> None:
    server.set_shell(shell)
    home = server.user.home
    for name in (".bashrc", ".bash_profile", ".profile", ".cshrc"):
        (home / name).write_text("echo Welcome to the cluster\n")
    (home / ".config/fish").mkdir(parents=True, exist_ok=True)
    (home / ".config/fish/config.fish").write_text("echo Welcome to the cluster\n")
    server.start()
    assert told(there(server, PASSWORD)[0]) == HERE
