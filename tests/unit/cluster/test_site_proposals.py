"""What `segmake site` says, finds wrong, proposes and exports; the cluster's answers are given."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from segmake import __version__
from segmake.cli import main
from segmake.cluster import site_proposals
from segmake.core import installation, site
from segmake.environments.solving import cuda
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition

PARTITIONS = [
    Partition("cpu", default=True, minutes=2880, memory_mb=128000, cpus=32),
    Partition("short", minutes=30, memory_mb=128000, cpus=32),
    Partition("gpu", minutes=1440, memory_mb=64000, cpus=16, gpus={"a40": 9, "t4": 2}),
    Partition("closed", memory_mb=64000, cpus=16, gpus={"h100": 99}, up=False),
    Partition("secret", hidden=True, memory_mb=64000, cpus=16, gpus={"h100": 99}),
]


@pytest.fixture
def there(monkeypatch, tmp_path):
    """A cluster that takes a GPU only as a generic resource; what it has can be changed."""
    partitions = {one.name: one for one in PARTITIONS}
    monkeypatch.setattr(slurm, "is_here", lambda: True)
    monkeypatch.setattr(slurm, "partitions", lambda: partitions)
    monkeypatch.setattr(slurm, "keeps_accounts", lambda: True)
    monkeypatch.setattr(slurm, "accounts", lambda: ["biology", "physics"])
    monkeypatch.setattr(slurm, "qualities", lambda: ["normal"])
    monkeypatch.setattr(
        slurm, "refusal", lambda options: "no" if any("--gpus" in one for one in options) else None
    )
    key = tmp_path / "key.pub"
    key.write_text("ssh-ed25519 AAAAC3 root@here\n")
    monkeypatch.setattr(site_proposals, "HOST_KEY", key)
    monkeypatch.setattr(site_proposals.socket, "getfqdn", lambda: "login.example.org")
    return partitions


@pytest.fixture
def no_file(monkeypatch, tmp_path):
    path = tmp_path / "site.yaml"
    monkeypatch.setattr(site, "SITE", path)
    return path


def test_what_the_cluster_says_is_proposed_and_can_be_written(there, no_file, capsys):
    assert main(["site", "check"]) == 0
    said = capsys.readouterr().out
    assert not no_file.exists() and "Nothing was written" in said
    assert main(["site", "check", "--write"]) == 0
    text = no_file.read_text(encoding="utf-8")
    assert text in capsys.readouterr().out and text in said
    # What nobody has to decide is in force.
    found = site.read_site()
    assert found.problems == []
    expected = {"partition": "gpu", "cpu_partition": "cpu", "gpu_model": "a40"}
    assert found.settings == {"cluster": {**expected, "gpu_request": "gres"}}
    assert (
        "  # Partition with the GPUs. gpu: 9 a40, 2 t4, up to 24 h, 62 GB, 16 cores a job" in text
    )
    assert "# Account. Yours: biology, physics." in text and "qos" not in text
    # Without the signs in front, it is a site file too.
    no_file.write_text(re.sub(r"(?m)^#(?=\S|  \w)", "", text), encoding="utf-8")
    more = site.read_site()
    assert more.problems == []
    assert more.settings["cluster"] == {
        **found.settings["cluster"],
        "max_gpus": 9,
        "account": "biology",
    }
    assert more.settings["limits"] == {"hours": 24, "memory_gb": 62, "cpus": 16}
    assert more.settings["login"] == {
        "host": "login.example.org",
        "host_key": "login.example.org ssh-ed25519 AAAAC3",
    }
    assert "contact" in more.settings
    # It says all now, and is not overwritten.
    assert main(["site", "check"]) == 0
    assert "nothing more" in capsys.readouterr().out
    assert main(["site", "check", "--write"]) == 1
    assert "SM-SIT-009" in capsys.readouterr().err


def test_only_what_is_not_said_is_proposed_and_within_the_limits(there, site_file, capsys):
    site_file(
        "cluster: {partition: gpu, gpu_model: t4, gpu_request: gres}\n"
        "limits: {partitions: [gpu, short], hours: 8, cpus: 2}\ncontact: Jo\n"
    )
    assert main(["site", "check"]) == 0
    said = capsys.readouterr().out
    proposed = yaml.safe_load(said.split("\n\n", 1)[1])
    assert proposed == {"cluster": {"cpu_partition": "short"}}
    assert "max_gpus: 2" in said and "memory_gb: 62" in said
    assert "hours:" not in said and "contact:" not in said


def test_a_node_is_asked_only_when_that_is_wanted(there, no_file, capsys, monkeypatch):
    asked = []

    def answer(options):
        asked.append(options)
        return "CUDA Version: 12.4\n8.6\n"

    monkeypatch.setattr(cuda, "_ask_node", answer)
    assert main(["site", "check"]) == 0
    assert asked == [] and "cuda_driver" not in capsys.readouterr().out
    assert main(["site", "check", "--node"]) == 0
    said = capsys.readouterr().out
    assert 'cuda_driver: "12.4"' in said and 'compute_capability: "8.6"' in said
    # It is asked where the jobs would go.
    assert "--partition=gpu" in asked[0]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("cluster:\n  partition: gpus\n", "SM-CLU-002", 2),
        ("cluster:\n  partition: gpu\n  gpu_model: h100\n", "SM-CLU-006", 3),
        ("cluster:\n  partition: gpu\n  account: nobody\n", "SM-CLU-009", 3),
        ("cluster:\n  partition: gpu\n  cpu_partition: cpus\n", "SM-CLU-002", 3),
        ("cluster:\n  partition: gpu\n  sbatch_options: [--time=3]\n", "SM-CLU-011", 3),
        ("limits:\n  partitions: [gpu]\n", "SM-SIT-006", 0),
        ("limits:\n  cpu: 3\n", "SM-SIT-002", 2),
    ],
)
def test_what_does_not_fit_the_cluster_is_told_with_its_line(
    there, site_file, capsys, text, code, line
):
    path = site_file(text)
    assert main(["site", "check"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{code}  {path}{f', line {line}' if line else ''}\n"), said


def test_a_cluster_without_gpus_is_no_mistake(there, site_file, capsys):
    for name in ("gpu", "closed", "secret"):
        del there[name]
    site_file("cluster: {partition: cpu}\n")
    assert main(["site", "check"]) == 0
    said = capsys.readouterr().out
    assert "hours: 48" in said and "max_gpus" not in said and "gpu_request" not in said


def test_without_slurm_the_file_itself_is_checked(site_file, capsys, monkeypatch):
    monkeypatch.setattr(slurm, "is_here", lambda: False)
    path = site_file("contact: Jo\n")
    assert main(["site", "check"]) == 0
    assert f"Nothing is wrong with {path}" in capsys.readouterr().out
    path.unlink()
    assert main(["site", "check", "--write"]) == 1
    assert not path.exists()


SITE = """\
contact: Jo, room 3
login: {host: login.example.org, host_key: login.example.org ssh-ed25519 AAAA, user_name: null}
cluster: {partition: gpu}
limits: {hours: 3}
paths:
  - there: /data/lab
    here: ['Z:\\', '\\\\server\\lab', /Volumes/lab]
language: fr
packages: {git: ["https://github.com/our-lab/"]}
addresses: {segmake: "https://git.example.org/segmake.git"}
"""


def test_what_other_computers_need_is_exported(site_file, capsys, tmp_path):
    site_file(SITE)
    assert main(["site", "export"]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text) == {
        "segmake": __version__,
        "login": {
            "program": str(Path(sys.prefix) / "bin" / "segmake"),
            "host": "login.example.org",
            "host_key": "login.example.org ssh-ed25519 AAAA",
        },
        "addresses": {"segmake": "https://git.example.org/segmake.git"},
        "paths": [{"there": "/data/lab", "here": ["Z:\\", "\\\\server\\lab", "/Volumes/lab"]}],
        "contact": "Jo, room 3",
        "language": "fr",
    }
    assert main(["site", "export", str(tmp_path / "lab.yaml")]) == 0
    assert (tmp_path / "lab.yaml").read_text(encoding="utf-8") == text


def test_the_address_of_the_clone_is_exported_unless_it_has_a_password_in_it(
    site_file, capsys, tmp_path, monkeypatch
):
    site_file("login: {host: login.example.org}\n")
    monkeypatch.setattr(installation, "clone", lambda: tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for address, handed_out in (
        ("https://git.example.org/segmake.git", True),
        ("https://me:secret@git.example.org/segmake.git", False),
    ):
        words = ["git", "-C", str(tmp_path), "config", "remote.origin.url", address]
        subprocess.run(words, check=True)
        assert main(["site", "export"]) == 0
        said = yaml.safe_load(capsys.readouterr().out)
        assert said.get("addresses") == ({"segmake": address} if handed_out else None)


@pytest.mark.parametrize("text", ["", "contact: Jo\n", "login: {}\n"])
def test_there_may_be_nothing_to_export(site_file, capsys, text):
    site_file(text)
    assert main(["site", "export"]) == 1
    assert "SM-SIT-010" in capsys.readouterr().err


def test_what_holds_is_shown_with_its_lines(site_file, capsys):
    path = site_file(SITE)
    assert main(["site"]) == 0
    said = capsys.readouterr().out
    assert str(path) in said
    for words in (
        "cluster.partition: gpu\n    Partition with the GPUs, line 3\n",
        "limits.hours: 3\n    Time limit of a job, line 4\n",
        "paths: /data/lab = Z:\\, \\\\server\\lab, /Volumes/lab\n    The file share, line 5\n",
        "contact: Jo, room 3\n    Whom to ask, line 1\n",
    ):
        assert words in said
    path.unlink()
    assert main(["site"]) == 0 and "There is no site file" in capsys.readouterr().out
