"""The site file: what it may hold, what is said of its faults, and whose language is spoken."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from segmake.core import site, site_language
from segmake.messages import language


def settings(rule: dict, name: str = "site.yaml") -> list[tuple[str, dict]]:
    """Return every setting of the schema, sections and those of the items of lists included."""
    found = []
    for key, child in rule.get("properties", {}).items():
        found += [(f"{name}/{key}", child), *settings(child, f"{name}/{key}")]
    if "properties" in rule.get("items", {}):
        found += settings(rule["items"], name)
    return found


@pytest.mark.parametrize(("name", "rule"), settings(site.schema()))
def test_each_setting_is_explained_in_both_languages_with_an_example_that_is_one(
    site_file, name, rule
):
    for words in (rule["title"], rule["description"]):
        assert set(words) == {"en", "fr"} and all(words.values())
    if "examples" in rule:
        from jsonschema import Draft202012Validator

        for example in rule["examples"]:
            Draft202012Validator(rule).validate(example)
    else:
        assert rule["properties"], name


def test_nothing_is_said_where_there_is_no_file_and_nothing_more_is_loaded(tmp_path):
    script = f"""
import sys
from pathlib import Path
import segmake.cli.parser
from segmake.core import installation, site_language
installation.home = lambda: Path({str(tmp_path)!r})
loaded = set(sys.modules)
site_language.speak_its_language()
assert set(sys.modules) == loaded and "segmake.core.site" not in loaded
from segmake.core import site
assert site.read_site() == site.Site()
print([name for name in sys.modules if name.split(".")[0] in ("ruamel", "yaml", "jsonschema")])
"""
    environment = {**os.environ, "LC_ALL": "C", "SEGMAKE_LANG": ""}
    command = [sys.executable, "-c", script]
    assert subprocess.check_output(command, env=environment, text=True) == "[]\n"


FULL = """\
cluster: {partition: gpu, cuda_driver: 12.4, compute_capability: "8.6", account: null}
limits: {hours: 1-12:00}
folders: {models: /data/models, environments: /data/environments}
contact: Jo, room 3
"""


def test_what_is_said_comes_with_its_line(site_file):
    path = site_file(FULL)
    found = site.read_site()
    assert found.problems == []
    driver = {"cuda_driver": "12.4", "compute_capability": "8.6"}
    assert found.cluster == {"partition": "gpu", **driver}
    assert found.limits == {"hours": 36}
    assert found.models_folder == "/data/models"
    assert str(found.environments_folder) == "/data/environments"
    assert found.contact == "Jo, room 3"
    assert found.where("limits", "hours") == f"{path}, line 2"


@pytest.mark.parametrize(
    ("text", "code", "line", "words"),
    [
        ("cluster: {partitions: gpu}\n", "SM-SIT-002", 1, "partition, cpu_partition"),
        ("contact: Jo\nlimits: {max_gpus: 0}\n", "SM-SIT-003", 2, "max_gpus: 8"),
        ("limits:\n  cpus: 4\n  hours: 3 apples\n", "SM-SIT-003", 3, "hours: 24"),
        ("limits:\n  partitions: gpu\n", "SM-SIT-003", 2, 'partitions: ["gpu", "cpu"]'),
        ("folders: {models: models}\n", "SM-SIT-003", 1, "models: "),
        ("language: de\n", "SM-SIT-003", 1, 'language: "fr"'),
        ("login: {host: 'me@host'}\n", "SM-SIT-003", 1, "login.cluster"),
        ("just words\n", "SM-SIT-003", 1, "contact: "),
        ("language: fr\nlanguage: en\n", "SM-SIT-001", 2, ""),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_how_to_write_it(
    site_file, text, code, line, words
):
    path = site_file(text)
    (problem,) = site.read_site().problems
    assert (problem.code, problem.where) == (code, f"{path}, line {line}")
    assert words in problem.remedy
    # What is in force is all of it, or nothing.
    assert site.read_site().settings == {}


@pytest.mark.parametrize(
    ("variables", "spoken"),
    [
        ({}, "fr"),
        ({"LANG": "C.UTF-8"}, "fr"),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, "fr"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "de"}, "en"),
        ({"LANG": "C", "LANGUAGE": "en"}, "fr"),
        ({"SEGMAKE_LANG": "en"}, "en"),
    ],
)
def test_its_language_is_spoken_where_nothing_names_one(site_file, monkeypatch, variables, spoken):
    for name in ("SEGMAKE_LANG", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
        # What is set by the test is taken back after it, too.
        monkeypatch.setenv(name, variables.get(name, ""))
    path = site_file("language: fr\n")
    monkeypatch.setattr(site_language.installation, "home", lambda: path.parent)
    site_language.speak_its_language()
    assert language() == spoken


@pytest.mark.parametrize("name", ["site.md", "site.fr.md"])
def test_the_documented_example_is_a_site_file_and_has_every_setting(site_file, root, name):
    site_file(
        (root / "docs" / "administrators" / name)
        .read_text(encoding="utf-8")
        .split("```yaml\n")[1]
        .split("```")[0]
    )
    found = site.read_site()
    assert found.problems == []
    sections = site.schema()["properties"]
    assert found.settings.keys() == sections.keys()
    for section, rule in sections.items():
        written = found.settings[section]
        first = written[0] if isinstance(written, list) else written
        for keys in (rule.get("properties"), rule.get("items", {}).get("properties")):
            assert not keys or first.keys() == keys.keys()


def test_the_pages_in_both_languages_mean_the_same(site_file, root):
    found = []
    for name in ("site.md", "site.fr.md"):
        text = (root / "docs" / "administrators" / name).read_text(encoding="utf-8")
        site_file(text.split("```yaml\n")[1].split("```")[0])
        settings = site.read_site().settings
        words = {"contact", "login"}
        own = {key: value for key, value in settings.items() if key not in words}
        found.append((own, text.count("\n## ")))
    assert found[0] == found[1]
