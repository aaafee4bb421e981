"""Time limits in people's units: how they are written, and that the advice of a message works when it is typed in."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from segmake.adapter.executor import forbidden_options
from segmake.cluster.checks import Cluster
from segmake.config.load import load_config
from segmake.core.config import Config
from segmake.messages import LANGUAGES, Problems
from segmake.messages.numbers import hours_of, hours_setting, whole_minutes
from segmake.slurm import commands as slurm
from segmake.slurm.commands import Partition
from segmake.slurm.requests import first_request

MINUTES = {
    "2": 120,
    "0.5": 30,
    "0,5": 30,
    # The number that a partition of ten minutes was told with, and was refused with.
    "0.166667": 10,
    "0.35": 21,
    "0:10": 10,
    "1:30": 90,
    "100:00": 6000,
    "2:30:59": 150,
    "1-12": 2160,
    "1-12:00": 2160,
    "1-12:00:00": 2160,
    "7-0": 10080,
    "10min": 10,
    "10 min": 10,
    "90 minutes": 90,
    "10mn": 10,
    "1h30": 90,
    "1h05": 65,
    "1 h 30": 90,
    "2 h": 120,
    "2\u00a0heures": 120,
    "1 h 30 min": 90,
    "1.5 Hours": 90,
    "1,5 h": 90,
    "1 day": 1440,
    "1 jour 12 h": 2160,
    "2d": 2880,
    # Slurm counts whole minutes.
    "90s": 1,
    "30 s": 1,
    "10.9 min": 10,
}
NONSENSE = (
    *("0", "0:00", "0 h", "-2", "-1:00", "1:60", "1:2:99", "1:2:3:4", "1-24", "1-", ":30", "2:"),
    *("h", "1h5", "1h90", "30min1h", "2 2 h", "two hours", "2 hours!", "1e", "٣h", "½"),
)


@pytest.mark.parametrize(("written", "minutes"), MINUTES.items())
def test_what_people_and_slurm_write(written, minutes):
    assert whole_minutes(hours_of(written)) == minutes


@pytest.mark.parametrize("written", NONSENSE)
def test_what_is_no_time(written):
    assert hours_of(written) is None


def test_what_is_advised_means_the_same_minutes():
    for minutes in range(1, 20_000):
        assert whole_minutes(hours_of(hours_setting(minutes))) == minutes
    assert [hours_setting(minutes) for minutes in (10, 100, 7 * 24 * 60, 1)] == [
        *("0:10", "1:40", "168", "0:01")
    ]


@pytest.fixture
def typed(tmp_path):
    """Return the config of a file in which these values stand, as a user types them."""

    def read(hours: str, memory: str = "0.5", script: str = "0:01") -> Config:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "own.py").write_text("print(1)\n")
        path: Path = tmp_path / "config.yaml"
        path.write_text(
            f"images: {{folder: {tmp_path}/images}}\n"
            f"segmentation: {{engine: threshold}}\n"
            f"cluster:\n  partition: tight\n  hours: {hours}\n  memory_gb: {memory}\n  cpus: 1\n"
            f"scripts:\n  - name: own\n    script: {tmp_path}/own.py\n"
            f"    resources: {{memory_gb: 0.1, cpus: 1, hours: {script}}}\n"
            f"results: {tmp_path}/results\n",
            encoding="utf-8",
        )
        return load_config(path)

    return read


@pytest.mark.parametrize(("written", "minutes"), MINUTES.items())
def test_all_of_it_can_be_typed_into_the_config(typed, written, minutes):
    config = typed(written, script=f'"{written}"')
    settings = config.settings
    assert whole_minutes(settings["cluster"]["hours"]) == minutes
    assert settings["scripts"][0]["resources"]["hours"] == settings["cluster"]["hours"]
    assert first_request(config.typed.cluster, segment=True)[1] == minutes


def test_a_number_stays_the_number_that_it_was(typed):
    for written in ("2", "2.0", '"2"', "2:00"):
        found = json.dumps(typed(written).settings["cluster"]["hours"])
        assert found == "2.0"


@pytest.mark.parametrize("written", ["0:00", "soon", "-1", "0", "1:60", "true", "[1]", ".inf"])
def test_nonsense_is_refused_with_its_line(typed, written):
    with pytest.raises(Problems) as caught:
        typed(written, script=written)
    first, second = caught.value.problems
    assert first.code == second.code == "SM-CFG-002"
    assert first.where.endswith("line 5") and '"0:10"' in first.remedy
    assert "`hours` under `resources`" in second.what


def only_partition(monkeypatch, **limits):
    partition = Partition("tight", default=True, **{"cpus": 4, "memory_mb": 4096, **limits})
    monkeypatch.setattr(slurm, "partitions", lambda: {"tight": partition})
    monkeypatch.setattr(slurm, "keeps_accounts", lambda: False)
    monkeypatch.setattr(slurm, "refusal", lambda options: None)


def advised(config: Config) -> dict[str, str]:
    """Return what a check says to put at most, by the setting that it names."""
    try:
        Cluster(config.settings).check(config, forbidden_options())
    except Problems as problems:
        found = {}
        for problem in problems.problems:
            assert problem.code == "SM-CLU-008"
            (setting,) = re.findall(r"(?:at most|au plus) (\S+?)(?:,|\.$)", problem.remedy)
            found[problem.what.split(" is ")[0].split(" vaut ")[0]] = setting
        return found
    return {}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("minutes", [1, 10, 100, 7 * 24 * 60])
def test_the_advice_on_time_works_when_it_is_typed_in(typed, monkeypatch, minutes, language):
    monkeypatch.setenv("SEGMAKE_LANG", language)
    only_partition(monkeypatch, minutes=minutes)
    known = advised(typed("200", script="200"))
    own, script = known.values()
    assert [name.split("`")[1::2] for name in known] == [
        ["hours", "cluster"],
        ["hours", "resources"],
    ]
    config = typed(own, script=script)
    assert advised(config) == {}
    # It is all that there is.
    assert first_request(config.typed.cluster, segment=True)[1] == minutes


@pytest.mark.parametrize("memory_mb", [50, 900, 1000, 1100, 128000])
def test_the_advice_on_memory_works_when_it_is_typed_in(typed, monkeypatch, memory_mb):
    only_partition(monkeypatch, memory_mb=memory_mb)
    monkeypatch.setattr("segmake.slurm.requests.CPU_MEMORY_MB", 1)
    config = typed("1", memory="1000")
    setting = advised(config)["`memory_gb` under `cluster`"]
    better = typed("1", memory=setting)
    assert "`memory_gb` under `cluster`" not in advised(better)
    assert memory_mb * 0.75 < first_request(better.typed.cluster, segment=True)[0] <= memory_mb


def test_what_a_script_asks_for_by_default_is_not_called_that_of_the_cluster(typed, monkeypatch):
    only_partition(monkeypatch, minutes=10)
    config = typed("0:10")
    assert advised(config) == {}
    text = config.path.read_text(encoding="utf-8")
    config.path.write_text(text.replace(", hours: 0:01", ""), encoding="utf-8")
    assert list(advised(load_config(config.path))) == ["`hours` under `resources`"]
