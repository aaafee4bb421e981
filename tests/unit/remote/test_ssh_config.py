"""Entries in the user's SSH settings: added, found, and nothing else touched; OpenSSH reads what is written."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from segmake.messages import Problem
from segmake.remote.setup.ssh_config import Entry, add_entry, has_entry, short_name

ENTRY = Entry(
    ("cluster", "login.example.org"),
    "login.example.org",
    "marie",
    2222,
    "marie@door.example.org:22",
    "~/.ssh/id_ed25519",
)


def as_openssh_reads(config: Path, name: str) -> dict[str, str]:
    if not shutil.which("ssh"):
        pytest.skip("there is no ssh here")
    said = subprocess.check_output(["ssh", "-G", "-F", str(config), name], text=True)
    return dict(line.split(" ", 1) for line in said.splitlines() if " " in line)


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"Host *\n  User paul\n",
        b"# of all\nCompression yes\nUser paul\n",
        b"\r\nMatch all\r\n\tUser paul",
        b"Host=other\n",
    ],
)
def test_an_entry_stands_first_and_all_else_stays(tmp_path: Path, before: bytes) -> None:
    config = tmp_path / "ssh" / "config"
    config.parent.mkdir()
    config.write_bytes(before)
    config.chmod(0o600)
    elsewhere = as_openssh_reads(config, "elsewhere")
    add_entry(config, ENTRY)
    assert config.read_bytes().endswith(before)
    assert config.stat().st_mode & 0o777 == 0o600
    for name in ENTRY.names:
        assert has_entry(config, name)
        read = as_openssh_reads(config, name)
        assert (read["user"], read["port"], read["hostname"]) == (
            "marie",
            "2222",
            "login.example.org",
        )
        assert read["proxyjump"].startswith("marie@door.example.org")
        assert read.get("compression") == elsewhere.get("compression")
    assert as_openssh_reads(config, "elsewhere") == elsewhere
    assert not has_entry(config, "elsewhere") and not has_entry(config, "*x")


def test_a_file_kept_elsewhere_stays_there_and_what_it_includes_counts(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a").write_text('Host "cluster" c2\n')
    kept.write_text("Include conf.d/*\n")
    config = tmp_path / "config"
    config.symlink_to(kept)
    assert has_entry(config, "cluster") and has_entry(config, "C2")
    add_entry(config, ENTRY)
    assert config.is_symlink() and kept.read_text().endswith("Host *\n\nInclude conf.d/*\n")


def test_a_file_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Problem) as refused:
        add_entry(tmp_path / "file" / "config", ENTRY)
    assert refused.value.code == "SM-REM-037"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("login.cluster.example.org", "cluster"),
        ("login02.cluster.example.org", "cluster"),
        ("jean-zay.idris.fr", "jean-zay"),
        ("ssh.example.org", "example"),
        ("cluster", ""),
        ("192.0.2.7", ""),
        ("::1", ""),
    ],
)
def test_a_computer_is_called_as_people_do(host: str, name: str) -> None:
    assert short_name(host) == name
