r"""What paths of Windows, macOS and Linux are called on the other computer."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from segmake.core.site_paths import Share
from segmake.remote.laptop_paths import Laptop

SHARES = [Share("/data/lab", ("Z:\\", "\\\\server\\lab", "/Volumes/lab"))]
WINDOWS = Laptop(PureWindowsPath(r"D:\Marie\day 1"), PureWindowsPath(r"C:\Users\Marie"), SHARES)
MAC = Laptop(PurePosixPath("/Users/marie/day 1"), PurePosixPath("/Users/marie"), SHARES)


@pytest.mark.parametrize(
    ("laptop", "text", "called"),
    [
        (WINDOWS, r"data\images", "data/images"),
        (WINDOWS, "data/images/", "data/images"),
        (WINDOWS, r".\a\..\b", "b"),
        (WINDOWS, r"d:\marie\DAY 1\images", "images"),
        (WINDOWS, ".", "."),
        (WINDOWS, r"Z:\me\day1", "/data/lab/me/day1"),
        (WINDOWS, r"z:/me/..\other", "/data/lab/other"),
        (WINDOWS, r"\\SERVER\Lab\me", "/data/lab/me"),
        (WINDOWS, r"\\?\UNC\server\lab\me", "/data/lab/me"),
        (MAC, "images", "images"),
        (MAC, "~/day 1/images", "images"),
        (MAC, "/Volumes/lab/me", "/data/lab/me"),
        (MAC, "a\\b", "a\\b"),
    ],
)
def test_within_the_experiment_and_on_shares(laptop: Laptop, text: str, called: str) -> None:
    assert laptop.called(text) == called


def test_elsewhere_a_folder_has_a_name_of_its_own() -> None:
    folders = [r"..\images", r"D:\images", r"E:\images", r"C:\Users\Marie\images", "E:\\"]
    names = [WINDOWS.called(text) for text in folders]
    assert len(set(names)) == len(names)
    # With the folder's own name at its end, by which images are called.
    assert [name.split("/")[-1] for name in names] == ["images"] * 4 + ["E"]
    assert all(name.startswith("sent/") for name in names)
    # Two of one name are told apart by the folders above, never by a user's own folder.
    days = [MAC.called(f"~/growth/{day}/images") for day in ("monday", "tuesday")]
    assert [day.split("/", 2)[2] for day in days] == [
        "growth/monday/images",
        "growth/tuesday/images",
    ]
    # However it is written, it is the same.
    assert WINDOWS.called(r"~\images") == WINDOWS.called("c:/users/MARIE/Images/").replace("I", "i")
    assert MAC.called("~/images") == MAC.called("../images") == MAC.called("/Users/marie/images")
    assert MAC.called("~/images") != MAC.called("~/Images")
    # What lies in one folder stays together.
    first, second = (WINDOWS.called(rf"D:\code\{name}.py", is_folder=False) for name in "ab")
    assert first.removesuffix("a.py") == second.removesuffix("b.py")
    assert first.endswith("/code/a.py")


def test_what_can_be_no_path_of_this_computer() -> None:
    assert not WINDOWS.can_be_here("/data/me") and MAC.can_be_here("/data/me")
    for text in (r"D:\images", r"\\server\lab", "smb://server/lab"):
        assert not MAC.can_be_here(text)
    assert WINDOWS.can_be_here(r"D:\images") and WINDOWS.can_be_here("images")
