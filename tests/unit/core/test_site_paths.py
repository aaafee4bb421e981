"""Paths as users' own computers have them, and what they mean on the cluster."""

from __future__ import annotations

import pytest

from segmake.core import site
from segmake.core.site_paths import Share, is_foreign, translated

SHARES = [
    Share("/data/lab", ("Z:\\", "\\\\server\\lab", "/Volumes/lab")),
    Share("/scratch/movies/", ("\\\\server\\lab\\Movies", "y:")),
    Share("/", ("X:",)),
]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Z:\\me\\day1", "/data/lab/me/day1"),
        ("Z:/me/day1", "/data/lab/me/day1"),
        ("z:\\me/day1\\", "/data/lab/me/day1"),
        ("Z:\\", "/data/lab"),
        ("Z:", "/data/lab"),
        ("Z:\\\\me\\.\\day1", "/data/lab/me/day1"),
        ("\\\\?\\Z:\\me\\day1", "/data/lab/me/day1"),
        ("\\\\server\\lab\\me", "/data/lab/me"),
        ("\\\\SERVER\\Lab\\Me", "/data/lab/Me"),
        ("\\\\?\\UNC\\server\\lab\\me", "/data/lab/me"),
        ("//server/lab/me", "/data/lab/me"),
        ("smb://server/lab/me", "/data/lab/me"),
        ("smb://jo@server:445/lab/day%201/", "/data/lab/day 1"),
        ("SMB://Server/LAB", "/data/lab"),
        ("/Volumes/lab/me/day1/", "/data/lab/me/day1"),
        ("/Volumes/lab", "/data/lab"),
        # The innermost share counts.
        ("\\\\server\\lab\\movies\\a", "/scratch/movies/a"),
        ("Y:\\a", "/scratch/movies/a"),
        ("X:\\data", "/data"),
        ("X:\\", "/"),
        # What Windows gives a name, and umlauts, stay as they are.
        ("Z:\\Éléonore\\día 1", "/data/lab/Éléonore/día 1"),
    ],
)
def test_what_a_path_means_on_the_cluster(text, path):
    assert translated(text, SHARES) == path


@pytest.mark.parametrize(
    "text",
    [
        "W:\\me",
        "\\\\server\\laboratory\\me",
        "\\\\server2\\lab\\me",
        "/Volumes/laboratory",
        "/volumes/lab/me",
        "/Volumes",
        "/data/lab/me",
        "Z:me",
        "data\\day1",
        "data/day1",
        "https://server/lab/me",
        "~/day1",
        "{project}/x",
        "",
    ],
)
def test_what_lies_in_no_share_means_nothing_else(text):
    assert translated(text, SHARES) is None


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Z:\\me", True),
        ("c:/me", True),
        ("Z:", True),
        ("\\\\server\\lab", True),
        ("smb://server/lab", True),
        ("/Volumes/lab", False),
        ("//server/lab", False),
        ("Z:me", False),
        ("a:b/c", False),
        ("data\\day1", False),
        ("cyto3", False),
    ],
)
def test_which_paths_can_be_none_here(text, foreign):
    assert is_foreign(text) is foreign


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("paths:\n  - there: /a\n    here: Z\n", "SM-SIT-003", 3),
        ("paths:\n  - there: a\n    here: 'Z:'\n", "SM-SIT-003", 2),
        ("paths:\n  - there: /a\n", "SM-SIT-003", 2),
        ("paths:\n  - there: /a\n    here: Z:\n", "SM-SIT-001", 3),
        (
            "paths:\n  - {there: /a, here: 'Z:'}\n  - there: /b\n    here: ['Y:', 'z:/']\n",
            "SM-SIT-008",
            4,
        ),
        ("paths:\n  - {there: /a, here: 'Z:'}\n  - {there: /a, here: 'z:/'}\n", "", 0),
        ('paths:\n  - there: /a\n    here: "Z:\\"\n', "SM-SIT-001", 4),
    ],
)
def test_what_is_wrong_with_the_shares_is_told_with_its_line(site_file, text, code, line):
    path = site_file(text)
    problems = site.read_site().problems
    assert [one.code for one in problems] == ([code] if code else [])
    assert not code or problems[0].where == f"{path}, line {line}"
    assert all(str(problem) for problem in problems)
