"""Which versions of Snakemake and its plugin are taken."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segmake import __version__
from segmake.adapter import tested_versions
from segmake.adapter.tested_versions import ANY_VERSION, TESTED, is_tested, refuse_untested

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Tests of another version are started with this variable."""
    monkeypatch.delenv(ANY_VERSION, raising=False)


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        ("9.27", True), ("9.27.1", True), ("9.27.12", True), ("9.27.2.dev1+g12ab", True),
        ("9.26.4", False), ("9.28.0", False), ("9.28.0rc1", False), ("10.0.0", False), ("9.270.1", False),
    ],
)  # fmt: skip
def test_repairs_are_taken_and_other_versions_are_not(monkeypatch, capsys, found, taken):
    monkeypatch.setitem(TESTED, "snakemake", "9.27")
    monkeypatch.setattr(
        tested_versions,
        "version",
        lambda name: found if name == "snakemake" else f"{TESTED[name]}.7",
    )
    if taken:
        refuse_untested(__version__)
    else:
        with pytest.raises(SystemExit) as ended:
            refuse_untested(__version__)
        said = capsys.readouterr().err
        assert ended.value.code == 1
        assert "SM-RUN-064" in said and f"snakemake {found} is installed" in said
        assert 'pip install "snakemake==9.27.*"' in said
        monkeypatch.setenv(ANY_VERSION, "1")
        refuse_untested(__version__)


def test_another_version_of_the_plugin_is_refused(monkeypatch, capsys):
    versions = {"snakemake": f"{TESTED['snakemake']}.0", "snakemake-executor-plugin-slurm": "99.1"}
    monkeypatch.setattr(tested_versions, "version", versions.__getitem__)
    with pytest.raises(SystemExit):
        refuse_untested(__version__)
    assert "snakemake-executor-plugin-slurm 99.1" in capsys.readouterr().err


def test_what_the_set_up_installs_is_taken():
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    pins = dict(re.findall(r"- (snakemake[\w-]*)==([\d.]+)", text))
    assert set(pins) == set(TESTED)
    assert all(is_tested(name, found) for name, found in pins.items())
