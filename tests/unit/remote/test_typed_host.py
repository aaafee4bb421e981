"""The name of a computer as people type it, or paste it from a page or a colleague's message."""

from __future__ import annotations

import pytest

from segmake.messages import Problem
from segmake.remote.setup.typed_host import typed_host, with_port


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("  ", ""),
        ("mine", "mine"),
        ("marie@login.example.org:2222", "marie@login.example.org:2222"),
        ("\u00a0marie@login.example.org \u200b\n", "marie@login.example.org"),
        ("ssh -X marie@login.example.org", "marie@login.example.org"),
        ("`ssh -p 2222 -i ~/.ssh/key marie@login.example.org`", "marie@login.example.org:2222"),
        ("ssh login.example.org -l marie -p2222", "marie@login.example.org:2222"),
        # What stands in the name itself comes first.
        ("-p 22 marie@login.example.org:2222", "marie@login.example.org:2222"),
        ("ssh://marie@login.example.org:2222/", "marie@login.example.org:2222"),
        ("https://login.example.org/portal", "login.example.org"),
        ("marie@login.example.org:/data/marie", "marie@login.example.org"),
        ("-p 2222 fe80::1", "[fe80::1]:2222"),
    ],
)
def test_what_is_meant(typed: str, host: str) -> None:
    assert typed_host(typed) == host


@pytest.mark.parametrize("typed", ["marie@", "@login", "the cluster", "-p 2222", "https://"])
def test_what_is_no_computer_is_refused_before_anybody_is_asked(typed: str) -> None:
    with pytest.raises(Problem, match="SM-REM-080"):
        typed_host(typed)


@pytest.mark.parametrize("typed", ["-p x login", "-p ² login", "-p 0 login", "login:99999"])
def test_what_can_be_no_port_is_told(typed: str) -> None:
    with pytest.raises(Problem, match="SM-REM-090"):
        typed_host(typed)


def test_another_port_than_that_of_a_name() -> None:
    assert with_port("marie@login:22", 2222) == "marie@login:2222" == with_port("marie@login", 2222)
    assert with_port("[fe80::1]:22", 2222) == "[fe80::1]:2222"
    assert with_port("marie@login:22", 0) == "marie@login:22"
