"""Settings that are set by command or program: nothing else in the file changes."""

from __future__ import annotations

import difflib
import os
import random
import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from segmake.cli import main
from segmake.config.as_written import with_numbers
from segmake.config.edit import DEFAULT, get_value, set_values
from segmake.config.edited_text import edited_text, settings_in
from segmake.config.in_force import changed_values
from segmake.config.template import commented_config
from segmake.config.typed_values import typed_value
from segmake.config.yaml_lines import read_yaml
from segmake.core.yaml_nodes import plain
from segmake.messages import Problem, Problems, catalogue

# What editors and hands make of values, and what YAML takes for something else than it looks like.
NASTY = [
    *("no", "yes", "on", "3.10", "007", "0o7", "0x1F", "1e3", "1_000", ".5", "+1", ".inf", "~", "null"),
    *("Null", "true", "True", "2026-11-29", "2026-11-29 10:00:00", "12:30:45", "=", "<<", "---", "..."),
    *(r"C:\Users\x", "it's", 'say "a"', "a: b", "a: b # c", "# c", "#ffb000", "a #", "b:", ": c", "- d"),
    *("[a", "{a: 1}", "]", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "?", "? a", "a,b", "éà œ 細胞 🦠"),
    *("", " ", "  leading", "trailing  ", "tab\there", "two\nlines", "\n", "\\", "x" * 300, "nul\x00", "\x85"),
    *("\u2028", "\ufeff", "{image}", "**/*.nd2", "'", '"', "''"),
    *(0, -3, 12, 0.065, 1e-7, 1e300, -0.0, 2**70, True, False, None),
]  # fmt: skip
SCALAR = re.compile(r"^  (#?)(\w+): \S", re.MULTILINE)


def drawn(rng: random.Random) -> tuple[str, str]:
    """Return a config as SegMake writes it, some of its commented settings in force, and how its lines end."""
    text = commented_config(rng.choice(["en", "fr"]))
    text = re.sub(
        r"^  #(?=\w+: )", lambda found: rng.choice(["  ", found[0]]), text, flags=re.MULTILINE
    )
    if rng.random() < 0.3:
        text = text.rstrip("\n")
    end = rng.choice(["\n", "\r\n"])
    return text.replace("\n", end), end


def settings_of(text: str) -> list[tuple[str, str]]:
    """Return the section and the name of each setting that stands in a config, also as a comment."""
    section, found = "", []
    for line in text.splitlines():
        if line[:1].isalpha():
            section = line.partition(":")[0]
        elif setting := SCALAR.match(line):
            found.append((section, setting[2]))
    return found


def read(text: str) -> dict[str, Any]:
    """Return what whoever checks a config reads."""
    return read_yaml(Path("config.yaml"), text.replace("\r\n", "\n"))[0]


def test_no_random_value_is_read_back_wrong_and_each_changes_one_line():
    rng = random.Random(2026)
    edits = 0
    for _ in range(14):
        text, end = drawn(rng)
        before, read_before = settings_in(text), read(text)
        for _ in range(5):
            wanted, meant, changed = deepcopy(before), deepcopy(read_before), []
            for section, key in rng.sample(settings_of(text), 16):
                value = rng.choice(NASTY)
                wanted[section][key] = with_numbers(value)
                meant[section][key] = value
                if key not in before[section] or before[section][key] != wanted[section][key]:
                    changed.append(key)
                edits += 1
            after = edited_text(text, wanted)
            assert read(after) == plain(meant)
            old, new = text.split(end), after.split(end)
            assert len(old) == len(new)
            lines = [line for one, line in zip(old, new, strict=True) if one != line]
            assert sorted(line.partition(":")[0].strip() for line in lines) == sorted(changed)
    assert edits >= 1000


HAND_MADE = """\
# lists and sections as hands write them
images:
    folder:   [ 'a',"b" ]   # two
    include:
    # the first
    - "**/*.nd2"
    # the second
    - '*.tif'   # at its end

    exclude: []
scripts:
- name: growth # a name
  # its file
  script: growth.py
  arguments:
    threshold: 007   # as it is written

    # about names
    names: [a,
      b]
- {name: other, script: o.R, needs: [cells]}   # in one line
# environments follow
environments:
    growth:
        packages:
            - pandas
            - numpy   # why
        python: "3.10"
# the end
results: here"""


def random_edit(settings: Any, rng: random.Random) -> bool:
    """Change, add or remove something in lists and sections; return whether something was removed."""
    places = [settings, *below(settings)]
    place = rng.choice(places)
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    value = with_numbers(rng.choice([*NASTY, ["a", 1], {"k": "v", "w": [1]}, [], {}]))
    action = rng.choice(["change", "add", "remove"]) if keys else "add"
    if place is settings and action != "change":
        action = "add"
    key = rng.choice(keys) if keys else None
    if action == "remove":
        del place[key]
    elif action == "change":
        place[key] = value
    elif isinstance(place, dict):
        place[rng.choice(["new", "clé", "a.b", "a b", "3"])] = value
    else:
        place.insert(rng.randint(0, len(place)), value)
    return action != "add"


def below(value: Any) -> Iterator[Any]:
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, dict | list):
            yield inner
            yield from below(inner)


def test_random_edits_of_lists_and_sections():
    rng = random.Random(21)
    for _ in range(250):
        end = rng.choice(["\n", "\r\n"])
        text = HAND_MADE.replace("\n", end)
        wanted = settings_in(text)
        taken = [random_edit(wanted, rng) for _ in range(rng.randint(1, 3))]
        after = edited_text(text, wanted)
        assert settings_in(after) == wanted
        assert ("\r\n" in after) == (end == "\r\n") and not re.search(
            r"\r\n", after.replace(end, "")
        )
        if not any(taken):
            gone = [
                line for line in difflib.ndiff(text.split(end), after.split(end)) if line[0] == "-"
            ]
            assert not [line for line in gone if line[2:].strip().startswith("#")]


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    path = Path("config.yaml")
    path.write_text(commented_config("en"), encoding="utf-8")
    return path


def lines_changed(before: bytes, path: Path) -> list[str]:
    diff = difflib.ndiff(before.decode().splitlines(), path.read_text("utf-8").splitlines())
    return [line for line in diff if line[0] in "+-"]


def test_a_file_of_a_windows_editor_is_set_and_set_back_to_the_same_bytes(config):
    # Mixed line ends, too, and none at the end of the file.
    raw = b"\xef\xbb\xbf" + config.read_bytes().rstrip().replace(b"\n", b"\r\n").replace(
        b"\r\n", b"\n", 9
    )
    config.write_bytes(raw)
    names = ["segmentation.niter", "images.pages", "cluster.partition", "cluster.hours"]
    for name, value in zip(names, [200, "time", "gpu", "0:10"], strict=True):
        assert [change.name for change in set_values(config, {name: value})] == [name]
        assert get_value(config, name) == value
    changed = config.read_bytes()
    assert changed.count(b"\r\n") == raw.count(b"\r\n") and changed.startswith(
        b"\xef\xbb\xbf# yaml"
    )
    set_values(config, {**dict.fromkeys(names[:3], DEFAULT), "cluster.hours": 2})
    assert config.read_bytes() == raw
    set_values(config, {"cluster.hours": 2})
    assert config.read_bytes() == raw


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("cluster.account", r"C:\Users\x", r"C:\Users\x"),
        ("cluster.account", "it's", "it's"),
        ("cluster.account", "a: b # c", "a: b # c"),
        ("cluster.account", "no", "no"),
        ("cluster.account", "3.10", "3.10"),
        ("cluster.account", "'3.10'", "3.10"),
        ("cluster.account", "*all", "*all"),
        ("cluster.account", "---", "---"),
        ("cluster.account", ".inf", ".inf"),
        ("cluster.account", "null", None),
        ("results", "null", "null"),
        ("images.channel", "1", 1),
        ("images.channel", '"1"', "1"),
        ("images.channel", "[Phase, 2]", ["Phase", "2"]),
        ("images.pixel_size_um", ".5", 0.5),
        ("overlays.color", "#ff0000", "#ff0000"),
        ("environments.mine.packages", "[numpy, pandas]", ["numpy", "pandas"]),
        ("environments.mine", "{python: 3.10, packages: [numpy]}", {"python": "3.10", "packages": ["numpy"]}),
        ("cluster.sbatch_options", '["--qos=a b"]', ["--qos=a b"]),
        ("segmentation.normalize.percentile", "[2, 98]", [2, 98]),
        ("segmentation.normalize", "false", False),
        ("leave_out.day 1/pos.3.nd2", "blurred: yes", "blurred: yes"),
        ('looked_at."a.tif"', "yes", "yes"),
    ],
)  # fmt: skip
def test_what_is_typed_is_taken_as_the_setting_takes_it(config, name, typed, value):
    set_values(config, {name: typed_value(name, typed)})
    found = get_value(config, name)
    found = {key: found[key] for key in value} if isinstance(value, dict) else found
    assert found == value and type(found) is type(value)


def test_a_script_is_begun_changed_and_removed(config):
    Path("my.py").write_text("import sys\n")
    before = config.read_bytes()
    set_values(config, {"scripts.mine": {"script": "my.py"}, "environments.e.packages": ["numpy"]})
    assert config.read_text().count("scripts:\n  - name: mine\n    script: my.py\n") == 1
    name = 'scripts.mine.arguments."a.b"'
    set_values(config, {name: typed_value(name, "007"), "scripts.mine.environment": "e"})
    assert "    arguments: {a.b: 007}\n    environment: e\n" in config.read_text()
    assert get_value(config, "scripts.mine.run") == "image"
    set_values(config, {"scripts.mine": DEFAULT, "environments.e": DEFAULT})
    assert config.read_bytes() == before


def test_what_would_be_wrong_is_refused_and_what_is_wrong_can_be_repaired_one_by_one(config):
    text = config.read_text()
    with pytest.raises(Problems, match="SM-CFG-002"):
        set_values(config, {"cluster.hours": -1})
    assert config.read_text() == text
    set_values(config, {"cluster.hours": -1, "cluster.cpus": 0}, force=True)
    set_values(config, {"cluster.memory_gb": 8, "cluster.cpus": 2})
    with pytest.raises(Problems, match="SM-CFG-002"):
        get_value(config, "cluster.hours")
    assert get_value(config, "cluster.cpus") == 2
    config.write_text(config.read_text().replace("  cpus: 2", "  cpu: 2"))
    set_values(config, {"cluster.cpu": DEFAULT, "cluster.hours": DEFAULT})
    assert main(["check", "config.yaml"]) == 0


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("images.chanel", 1, "SM-CFG-001"),
        ("diameter", 1, "SM-CFG-017"),
        ("scripts.other.sript", 1, "SM-CFG-001"),
        ("scripts.none.run", "image", "SM-EDT-003"),
        ("images.folder.x", 1, "SM-EDT-002"),
        ("images..folder", 1, "SM-EDT-001"),
        ('images."folder', 1, "SM-EDT-001"),
        ("", 1, "SM-EDT-001"),
        ("cluster.cpus", 3, "SM-EDT-005"),
        ("segmentation.min_size", DEFAULT, "SM-EDT-005"),
        ("scripts.other.arguments.x", 3, "SM-EDT-002"),
        ("results", "elsewhere", "SM-EDT-006"),
    ],
)
def test_what_can_not_be_set_is_said_and_nothing_changes(config, name, value, code):
    config.write_text(
        "images: {folder: images}\n"
        "segmentation: {<<: {min_size: &number 12}, max_size: *number}\n"
        "cluster: &cores {cpus: 2}\n"
        "scripts:\n- {name: other, script: o.py, arguments: [a], resources: *cores}\n"
        "? results\n# a: b\n:\n"
    )
    before = config.read_bytes()
    with pytest.raises((Problem, Problems)) as told:
        set_values(config, {name: value})
    found = told.value.problems[0] if isinstance(told.value, Problems) else told.value
    assert found.code == code and str(found)
    assert config.read_bytes() == before


def test_a_value_that_is_repeated_elsewhere_can_be_set_where_nothing_else_changes(config):
    config.write_text(
        "images: {folder: images}\nsegmentation: {min_size: &number 12, max_size: *number}\n"
    )
    set_values(config, {"segmentation.max_size": 20})
    assert config.read_text().endswith("{min_size: &number 12, max_size: 20}\n")


def test_what_is_written_around_a_setting_is_kept(config):
    config.write_text(
        "images:\n  folder: images\n  include: &all  # patterns\n    # of TIFF\n    - '*.tif'\n"
        "segmentation:\n"
        "  #niter: 300 did well with the old model\n"
        "  # niter: 250   # put aside\n"
        "  engine: cellpose3\n\n"
        "  # rarely needed\n"
        "# the cluster\ncluster:\n    #hours: 2\n\n# the end\n"
    )
    before = config.read_text()
    wanted = {
        "segmentation.niter": 200,
        "segmentation.min_size": 9,
        "cluster.hours": 3,
        "cluster.cpus": 2,
    }
    set_values(
        config, {**wanted, "images.include": ["*.tif", "*.nd2"], "overlays.contrast": [1, 99]}
    )
    assert (
        config.read_text()
        == before.replace("    - '*.tif'\n", "    - '*.tif'\n    - \"*.nd2\"\n")
        .replace("  # niter: 250   #", "  niter: 200   #")
        .replace("  # rarely needed\n", "  # rarely needed\n  min_size: 9\n")
        .replace("    #hours: 2\n", "    hours: 3\n    cpus: 2\n")
        + "\noverlays:\n  contrast: [1, 99]\n"
    )


def test_a_script_can_be_named_anew_and_its_settings_come_in_any_order(config):
    Path("my.py").write_text("import sys\n")
    set_values(config, {"scripts.mine.run": "once", "scripts.mine.script": "my.py"})
    (change,) = set_values(config, {"scripts.mine.name": "ours"})
    assert (change.before, change.after) == ("mine", "ours")
    assert get_value(config, "scripts.ours.run") == "once"


def test_what_the_site_file_says_counts_where_the_config_says_nothing(config, monkeypatch):
    site = Path("site.yaml").absolute()
    site.write_text("cluster: {partition: gpu_long}\n")
    monkeypatch.setattr("segmake.core.site.SITE", site)
    assert get_value(config, "cluster.partition") == "gpu_long"
    assert changed_values(config)["cluster.partition"]["from"] == f"{site}, line 1"
    set_values(config, {"cluster.partition": "mine"})
    assert get_value(config, "cluster.partition") == "mine"


def test_a_file_that_nobody_may_write_to_is_left_alone(config, monkeypatch):
    # Whoever runs the tests may be allowed everything.
    monkeypatch.setattr(os, "access", lambda place, what: what != os.W_OK)
    before = config.read_bytes()
    with pytest.raises(Problem, match="SM-EDT-008"):
        set_values(config, {"cluster.cpus": 3})
    assert config.read_bytes() == before


def test_the_file_keeps_its_link_and_rights_and_is_not_taken_from_an_editor(config, monkeypatch):
    real = Path("real.yaml")
    config.rename(real)
    real.chmod(0o664)
    config.symlink_to(real)
    set_values(config, {"cluster.cpus": 3})
    assert config.is_symlink() and real.stat().st_mode & 0o777 == 0o664
    edited = real.read_text() + "# by hand\n"
    monkeypatch.setattr(shutil, "copystat", lambda *paths: real.write_text(edited))
    with pytest.raises(Problem, match="SM-EDT-007"):
        set_values(config, {"cluster.cpus": 5})
    assert real.read_text() == edited
    assert sorted(os.listdir()) == ["config.yaml", "images", "real.yaml"]


def test_the_commands(config, capsys):
    place = ["--configfile", "config.yaml"]
    assert main(["set", *place, "segmentation.engine", "threshold"]) == 1
    told = capsys.readouterr().err
    gone = [f"segmentation.{key}" for key in ("model", "flow_threshold", "cellprob_threshold")]
    assert "SM-CFG-010" in told and f"--default {' '.join(gone)}" in told
    assert main(["set", *place, "segmentation.engine", "threshold", "--default", *gone]) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[0]
        .startswith("segmentation.engine: cellpose3 -> threshold")
    )
    assert main(["get", *place]) == 0
    assert re.search(
        r"segmentation.engine +threshold +config.yaml, line \d+", capsys.readouterr().out
    )
    assert main(["set", *place, "segmentation.engine", "--default"]) == 0
    assert main(["get", *place, "segmentation.engine"]) == 0
    assert capsys.readouterr().out.endswith("\ncellpose3\n")
    with pytest.raises(SystemExit, match="2"):
        main(["set", *place, "images.channel"])
    assert "SM-EDT-009" in capsys.readouterr().err
    for odd in ("[**/*.nd2]", "[" * 3000, "&a [*a]"):
        assert main(["set", *place, "images.include", odd]) == 1
        assert "SM-EDT-004" in capsys.readouterr().err
    assert main(["set", *place, "segmentation.cellprob_threshold", "-1"]) == 0


def test_of_several_configs_the_last_is_written_to(config, capsys):
    lab = Path("lab.yaml")
    lab.write_text("images: {folder: images}\ncluster: {cpus: 2, hours: 3}\n")
    day = Path("day.yaml")
    day.write_text("segmentation: {engine: threshold}\ncluster: {cpus: 6}\n")
    place = ["--configfile", "lab.yaml", "--configfile", "day.yaml"]
    assert main(["check", *place]) == main(["check", "--configfile", "lab.yaml", "day.yaml"]) == 0
    assert main(["check", "day.yaml"]) == 1, "it names no folder"
    for name, value in (("cpus", "6"), ("hours", "3")):
        capsys.readouterr()
        assert main(["get", *place, f"cluster.{name}"]) == 0
        assert capsys.readouterr().out == f"{value}\n"
    assert main(["get", *place]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"cluster.hours +3 +lab.yaml, line 2", shown)
    assert re.search(r"cluster.cpus +6 +day.yaml, line 2", shown)
    before = lab.read_bytes(), day.read_bytes()
    assert main(["set", *place, "--default", "cluster.cpus"]) == 1
    told = capsys.readouterr().err
    assert "SM-CFG-072  lab.yaml, line 2" in told
    assert "segmake set --configfile lab.yaml --default cluster.cpus" in told
    assert main(["set", *place, "segmentation.min_size", "-7"]) == 1
    assert (lab.read_bytes(), day.read_bytes()) == before
    capsys.readouterr()
    assert main(["set", *place, "cluster.hours", "5"]) == 0
    told = "cluster.hours: 3 (lab.yaml, line 2) -> 5  (day.yaml, line 2)\n"
    assert capsys.readouterr().out == told
    assert main(["get", *place, "cluster.hours"]) == 0
    assert capsys.readouterr().out == "5\n" and lab.read_bytes() == before[0]


def test_what_only_looks_takes_several_configs(config, capsys):
    Path("lab.yaml").write_text(
        "images: {folder: images}\nresults: of_lab\nenvironments: {growth: {packages: [pandas]}}\n"
    )
    day = Path("day.yaml")
    day.write_text("segmentation: {engine: threshold}\n")
    place = ["--configfile", "lab.yaml", "--configfile", "day.yaml"]
    for words in (["status", *place], ["status", "--configfile", "lab.yaml", "day.yaml"]):
        assert main(words) == 1 and "SM-RUN-013  of_lab" in capsys.readouterr().err
    assert main(["environment", "other", *place]) == 1
    assert "growth" in capsys.readouterr().err
    assert main(["jupyter", "other", *place]) == 1
    assert "growth" in capsys.readouterr().err
    day.write_text("segmentation: {engine: threshold, niter: 7}\n")
    assert main(["try", "images/a.tif", *place]) == 1
    assert "SM-CFG-010  day.yaml, line 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[1, 2",
            "{a: 1",
            '"a',
            "*x",
            "&",
            "@a",
            "%a",
            "!<",
            "|x",
            "a: b: c",
            "[1]]",
            "}",
            "\x00",
        ),
        *('"\\q"', '"a" b', "- - - [", "%YAML 3", "--- a\n--- b", "[*]", "[" * 3000),
    ],
)
def test_what_is_no_yaml_is_told_in_the_language_of_the_user(monkeypatch, text):
    told = {}
    for language in ("en", "fr"):
        monkeypatch.setenv("SEGMAKE_LANG", language)
        with pytest.raises(Problem) as caught:
            typed_value("segmentation.diameter", text)
        assert caught.value.code == "SM-EDT-004"
        told[language] = caught.value.values["error"]
    known = catalogue()
    assert told in [known[name]["say"] for name in known if name.startswith("yaml.")]
