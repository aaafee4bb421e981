"""What a laptop knows of other computers: from the institute's file, and from having been there."""

from __future__ import annotations

from pathlib import Path

import pytest

from segmake.core.site_paths import Share
from segmake.messages import Problem
from segmake.places.asking import Terminal
from segmake.remote.handed_out import HandedOut, read_handed_out
from segmake.remote.known_computers import (
    Computer,
    are_of_one,
    known_computer,
    known_computers,
    login_of,
    named_in_full,
    remember,
    shares_of,
)

KEY = "login.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample"
FILE = f"""\
segmake: 9.0.0
login: {{host: login.example.org, host_key: '{KEY}', user_name: null, of_later: 3}}
paths: [{{there: /data/lab, here: 'Z:\\'}}]
contact: Jo, room 3
"""


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    return tmp_path / "settings" / "segmake" / "computers.json"


def institute(tmp_path: Path, text: str = FILE) -> HandedOut:
    path = tmp_path / "lab.yaml"
    # As Windows' editor writes it.
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    return read_handed_out(path)


def test_what_the_institute_says_counts_under_each_name_of_its_computer(tmp_path: Path) -> None:
    said = institute(tmp_path)
    assert (said.user_name, said.contact, said.host_keys) == ("", "Jo, room 3", (KEY,))
    remember(Computer("marie@login.example.org:22", "/opt/segmake", "/scratch/marie", said))
    remember(Computer("elsewhere"))
    assert [each.host for each in known_computers()] == ["elsewhere", "marie@login.example.org:22"]
    for host in ("marie@login.example.org:22", "login.example.org", "paul@login.example.org"):
        assert shares_of(host) == [Share("/data/lab", ("Z:\\",))]
        assert login_of(host, Terminal()).host_keys.handed_out == (KEY,)
        assert known_computer(host).segmake == "/opt/segmake"
    assert shares_of("login2.example.org") == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"192.0.2.7"}, {"192.0.2.7"}, True),
        # localhost, and its address.
        ({"127.0.0.1", "::1"}, {"127.0.0.1"}, True),
        # All login nodes, and one of them.
        ({"192.0.2.7", "192.0.2.8"}, {"192.0.2.8"}, False),
        ({"192.0.2.7"}, {"2001:db8::7"}, False),
        (set(), set(), False),
    ],
)
def test_whose_addresses_are_the_same(first: set[str], second: set[str], same: bool) -> None:
    assert are_of_one(first, second) == are_of_one(second, first) == same


@pytest.mark.parametrize(
    "host",
    ["marie@login.example.org", "marie@login.example.org:2222", "marie@::1", "marie@[::1]:2222"],
)
def test_a_name_in_full_is_one_that_a_login_takes(host: str) -> None:
    assert named_in_full(host) == host
    assert named_in_full(host.replace("login.", "LOGIN.")) == host
    assert named_in_full("marie@login.example.org:22") == "marie@login.example.org"


def test_it_is_remembered_once_and_a_damaged_memory_is_none(settings: Path) -> None:
    for program in ("/one", "/two"):
        remember(Computer("cluster", program))
    assert [each.segmake for each in known_computers()] == ["/two"]
    settings.write_text('[{"host": 3, "half')
    assert known_computers() == []
    assert known_computer("cluster") == Computer("cluster")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("login: {host: [1]}\n", "login.host"),
        (
            "a: [\n",
            "line 2\n  This is no file of an institute that can be understood: a bracket",
        ),
        ("a: \x07\n", "not allowed in YAML"),
        ("just words", "lab.yaml"),
        ("{}", "login"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(Problem) as refused:
        institute(tmp_path, text)
    assert refused.value.code == "SM-REM-031" and error in str(refused.value)
