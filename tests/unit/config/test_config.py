from __future__ import annotations

import io
import itertools
import json
import os
import re
import tempfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from segmake.config.load import load_config, text_of_all
from segmake.config.schema import SCHEMA, schema
from segmake.config.template import commented_config
from segmake.core.files import result_name
from segmake.messages import Problem, Problems


@pytest.fixture(autouse=True)
def images_folder(tmp_path, monkeypatch):
    """Let ``folder: data`` be a folder that is there."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)


MINIMAL = "images: {folder: data}\nsegmentation: {engine: threshold}\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def found(path: Path) -> list[Problem]:
    with pytest.raises(Problems) as caught:
        load_config(path)
    return caught.value.problems


def codes_and_lines(problems: list[Problem]) -> list[tuple[str, int]]:
    """Return the code of each problem, and its line: 0 where it has none."""
    return [(p.code, int(p.where.partition(", line ")[2] or 0)) for p in problems]


def test_all_mistakes_are_told_at_once_each_with_its_line(tmp_path):
    problems = found(
        write(
            tmp_path,
            """\
images:
  folder: data
  diameter: 20
  channel: [1]
segmentation:
  engine: cellpose3
  diamater: 20
  diameter: 0
  bsize: 100
  Flow_Threshold: 0.4
  wobble: 1
  min_size: -2.5
overlays:
  color: red
  contrast: [0.5, .inf]
result: out
""",
        )
    )
    assert codes_and_lines(problems) == [
        ("SM-CFG-017", 3),
        ("SM-CFG-002", 4),
        ("SM-CFG-001", 7),
        ("SM-CFG-067", 8),
        ("SM-CFG-002", 9),
        ("SM-CFG-001", 10),
        ("SM-CFG-018", 11),
        ("SM-CFG-002", 12),
        ("SM-CFG-002", 14),
        ("SM-CFG-002", 15),
        ("SM-CFG-001", 16),
    ]
    texts = [str(problem) for problem in problems]
    assert "`segmentation`" in texts[0]
    assert "`diamater` under `segmentation`" in texts[2] and "`diameter`?" in texts[2]
    assert "null" in texts[3]
    assert "multiple of 8" in texts[4]
    assert "`flow_threshold`?" in texts[5]
    assert '"#ffb000"' in texts[8]
    assert "`results`?" in texts[10]


def test_what_the_schema_can_not_know_is_told_in_the_same_go(tmp_path):
    text = """\
images:
  folder: [imagse, data/sub]
segmentation:
  model: bact_fase_cp3
  diamater: 20
overlays: {contrast: [99, 1]}
"""
    assert codes_and_lines(found(write(tmp_path, text))) == [
        ("SM-DIR-001", 2),
        ("SM-DIR-001", 2),
        ("SM-CFG-011", 4),
        ("SM-CFG-001", 5),
        ("SM-CFG-014", 6),
    ]


def test_settings_that_do_not_go_together(tmp_path):
    problems = found(
        write(
            tmp_path,
            """\
images:
  folder: data
  include: ["**/*.tif", "broken\\\\"]
  channel: 2
  second_channel: 2
  time: [5, 2]
segmentation:
  engine: threshold
  model: cyto3
  flow_threshold: 0.4
  diameter: 12
overlays:
  contrast: [99, 1]
""",
        )
    )
    assert sorted(codes_and_lines(problems), key=lambda pair: pair[1]) == [
        ("SM-CFG-002", 3),
        ("SM-CFG-015", 5),
        ("SM-CFG-022", 5),
        ("SM-CFG-034", 6),
        ("SM-CFG-010", 9),
        ("SM-CFG-010", 10),
        ("SM-CFG-014", 13),
    ]


@pytest.mark.parametrize(
    ("model", "code", "hint"),
    [
        ("cyt03", "SM-CFG-011", "cyto3"),
        ("bact_phase", "SM-CFG-011", "bact_phase_cp3"),
        ("models/of/ours", "SM-CFG-012", "cyto3, nuclei"),
        ("~nobody_of_that_name/model", "SM-CFG-012", "cyto3"),
        ("a\0b", "SM-CFG-012", "cyto3"),
        ("x" * 5000, "SM-CFG-012", "cyto3"),
        ("FOLDER", "SM-CFG-013", "folder"),
    ],
)
def test_models_that_are_none(tmp_path, model, code, hint):
    model = str(tmp_path) if model == "FOLDER" else model
    text = json.dumps({"images": {"folder": "data"}, "segmentation": {"model": model}})
    (problem,) = found(write(tmp_path, text))
    assert problem.code == code and hint in str(problem)


def test_a_model_of_ones_own(tmp_path):
    path = write(tmp_path, f"images: {{folder: data}}\nsegmentation: {{model: {tmp_path}/own}}\n")
    (tmp_path / "own").write_bytes(b"weights")
    assert load_config(path).settings["segmentation"]["model"] == f"{tmp_path}/own"


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        ("", "SM-CFG-004", None),
        ("# nothing but a remark\n", "SM-CFG-004", None),
        ("- a\n- b\n", "SM-CFG-004", None),
        ("images\n", "SM-CFG-004", None),
        ("images:\n  folder: a\n  include: [b]\n  folder: c\n", "SM-CFG-006", 4),
        ("images:\n\tfolder: data\n", "SM-CFG-066", 2),
        ("images:\n  folder: [data/escape,\n\n  # c\n  z: 1\n", "SM-CFG-066", 2),
        ("images:\n  folder: data\n  z:max\n\n  # c\n  # c\n  time: 1\n", "SM-CFG-066", 3),
        ("images:\n  folder:data\n\n  # c\n  time: 1\n", "SM-CFG-066", 2),
        ("images\n\n  # c\n  folder: data\n", "SM-CFG-066", 1),
        ("images:\n  folder: data\nof the lab\n# c\nresults: x\n", "SM-CFG-005", 3),
        ('images:\n  folder: "data\n\n  # c\n  time: 1\n', "SM-CFG-066", 2),
        ("images:\n  folder: 'data\n\n  # it's\n  time: 1\n", "SM-CFG-066", 2),
        ('images:\n  folder: "data\n  channel: "Phase"\n', "SM-CFG-066", 2),
        ("scripts:\n  - {name: a, script: b\n# c\nresults: x\n", "SM-CFG-066", 2),
        ("scripts:\n  -name: a\n   script: b\n\n# c\nresults: x\n", "SM-CFG-066", 2),
        ("images:\n  folder: a\n\u00a0\u00a0time: 1\n\n  # c\n  z: 1\n", "SM-CFG-066", 3),
        ("images:\n  folder: a\n  time: 1\n # c\n z: 1\n  # c\n  channel: a\n", "SM-CFG-066", 5),
        ("images:\n  folder: a\u2028b # \x85\n  z:max\n\n  time: 1\n", "SM-CFG-066", 3),
        ("images:\n  folder: data\n  channel: GFP: 1\n", "SM-CFG-066", 3),
        ("images:\n  folder: a\x07b\n", "SM-CFG-005", 2),
        ('images:\n  folder: "C:\\Users\\me"\n', "SM-CFG-016", 2),
        ('images:\n  folder: "D:\\new day"\n', "SM-CFG-016", 2),
        ('images:\n  folder: "a\\0b"\n', "SM-CFG-016", 2),
        ('images:\n  folder: ["/", "D:\\Pictures"]\n', "SM-CFG-016", 2),
        ("images: {folder: 2026-13-45}\n", "SM-CFG-005", None),
        ("images: {folder: !!int x}\n", "SM-CFG-005", None),
        ("images: {folder: é}\n".encode("latin-1"), "SM-CFG-008", None),
        ("images: {folder: data}\n".encode("utf-16"), "SM-CFG-008", None),
        ("images: {folder: data}\n".encode("utf-16-le"), "SM-CFG-008", None),
    ],
)
def test_files_that_hold_no_settings(tmp_path, content, code, line):
    (problem,) = found(write(tmp_path, content))
    assert problem.code == code
    assert problem.where.endswith(f"config.yaml, line {line}" if line else "config.yaml")


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path):
    assert [problem.code for problem in found(tmp_path / "none.yaml")] == ["SM-CFG-007"]
    assert [problem.code for problem in found(tmp_path)] == ["SM-CFG-009"]


@pytest.mark.parametrize(
    "text", ["images:\n", "segmentation: {engine: threshold}\n", "images: {}\n"]
)
def test_the_folder_has_to_be_said(tmp_path, text):
    (problem,) = found(write(tmp_path, text))
    assert problem.code in ("SM-CFG-002", "SM-CFG-003") and "`images`" in str(problem)


def test_sections_left_empty_take_their_defaults(tmp_path):
    short = load_config(write(tmp_path, "images: {folder: data}\n")).settings
    names = [name for name in schema()["properties"] if name != "images"]
    text = "\ufeffimages: {folder: data}\n" + "".join(f"{name}:\n" for name in names)
    assert load_config(write(tmp_path, text)).settings == short
    assert short["segmentation"]["model"] == "cyto3" and short["results"] == "results"


def test_a_checked_config_checks_out_again(tmp_path):
    once = load_config(write(tmp_path, "images: {folder: data}\n")).settings
    assert not list(jsonschema.Draft202012Validator(schema()).iter_errors(once))
    assert load_config(write(tmp_path, json.dumps(once))).settings == once


def test_a_number_is_the_same_setting_however_it_is_written(tmp_path):
    text = (
        "images: {{folder: data}}\nsegmentation: {{diameter: 16{0}, niter: 200{0}}}\n"
        "cluster: {{batch_size: 4{0}}}\noverlays: {{contrast: [1{0}, 99]}}\n"
    )
    whole, decimal = (
        json.dumps(load_config(write(tmp_path, text.format(end))).settings) for end in ("", ".0")
    )
    assert whole == decimal
    assert '"diameter": 16.0' in whole and '"batch_size": 4}' in whole


@pytest.mark.parametrize(
    ("segmentation", "codes"),
    [
        ("engine: cellpose3", []),
        ("engine: omnipose", []),
        ("engine: cellpose", []),
        ("engine: threshold", ["SM-CFG-056"]),
        ("engine: cellpose, do_3D: true", ["SM-CFG-056"]),
        ("engine: cellpose3, stitch_threshold: 0.2", ["SM-CFG-056"]),
        # One of both counts, as with a number.
        ("engine: cellpose3, rescale: 2", ["SM-CFG-030"]),
        ("engine: omnipose, rescale: 2", ["SM-CFG-030"]),
    ],
)
def test_a_diameter_is_estimated_where_a_network_sees_planes(tmp_path, segmentation, codes):
    text = (
        f"images: {{folder: data, z: all}}\nsegmentation: {{{segmentation}, diameter: estimate}}\n"
    )
    path = write(tmp_path, text)
    if codes:
        assert [problem.code for problem in found(path)] == codes
    else:
        assert load_config(path).settings["segmentation"]["diameter"] == "estimate"


def test_the_engine_gets_what_it_takes_and_nothing_else(tmp_path):
    config = load_config(write(tmp_path, "images: {folder: x}\nsegmentation: {engine: threshold}"))
    assert set(config.settings["segmentation"]) == {
        "engine",
        "diameter",
        "min_size",
        "polarity",
        "method",
        "smoothing",
    }


def test_the_command_line_overrides_the_file(tmp_path):
    path = write(tmp_path, "images: {folder: data, channel: 2}\nsegmentation: {diameter: 16}\n")
    config = load_config(path, {"segmentation": {"diameter": 20}, "results": "~/elsewhere"})
    assert config.settings["segmentation"]["diameter"] == 20
    assert config.settings["images"]["channel"] == 2
    assert config.settings["results"] == str(Path.home() / "elsewhere")


def test_a_section_lent_to_another(tmp_path):
    path = write(tmp_path, "images: &base {folder: data}\ncluster:\n  <<: *base\n  cpus: 2\n")
    assert [problem.code for problem in found(path)] == ["SM-CFG-017"]


ALIASES = "a: &a [x, x, x]\n" + "".join(
    f"{after}: &{after} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
    for before, after in itertools.pairwise("abcdefghij")
)
LENT = "a: &a {x: 1}\n" + "".join(
    f"{after}: &{after} {{<<: [*{before}, *{before}, *{before}, *{before}], k{after}: 1}}\n"
    for before, after in itertools.pairwise("abcdefghijklmn")
)


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        # What an alias repeats is counted as often as it stands for: 3 x 6 x 6 x 6 x 6 x 6 values on the 8th line.
        (MINIMAL + ALIASES, "SM-CFG-043", 8),
        (MINIMAL + LENT, "SM-CFG-043", 9),
        (MINIMAL + "a: &a [*a]\n", "SM-CFG-043", 3),
        (MINIMAL + f"a: &a {'x' * 200_000}\nb: [{'*a, ' * 200}]\n", "SM-CFG-043", 4),
        (MINIMAL + "a: &a\n  b: {c: *a}\n", "SM-CFG-043", 4),
        (MINIMAL + "a: " + "[" * 5000, "SM-CFG-045", 3),
        (MINIMAL + "a: " + "{a: " * 5000, "SM-CFG-045", 3),
        ("\n".join(" " * depth + "a:" for depth in range(60)), "SM-CFG-045", 51),
        (MINIMAL + "# " + "x" * 10**6, "SM-CFG-044", 0),
        (MINIMAL.encode("utf-16"), "SM-CFG-008", 0),
        (MINIMAL.encode("utf-16-le"), "SM-CFG-008", 0),
        (bytes(range(256)) * 10, "SM-CFG-008", 0),
        (MINIMAL + 'results: "a\\0b"\n', "SM-CFG-040", 3),
        (MINIMAL + 'results: "\\ud800"\n', "SM-CFG-040", 3),
        (MINIMAL + f"results: there/{'r' * 256}\n", "SM-CFG-041", 3),
        (MINIMAL + f"results: {'é' * 128}\n", "SM-CFG-041", 3),
        (MINIMAL + f"results: {'there/' * 1000}\n", "SM-CFG-041", 3),
        (MINIMAL + "results: config.yaml/results\n", "SM-CFG-042", 3),
        (MINIMAL + "results: /dev/null/a/b\n", "SM-CFG-042", 3),
        (MINIMAL + "results: loop\n", "SM-CFG-042", 3),
        (MINIMAL + "results: loop/a\n", "SM-CFG-042", 3),
    ],
)
def test_odd_files_and_folders_are_told_with_their_lines(tmp_path, content, code, line):
    (tmp_path / "loop").symlink_to("loop")
    assert codes_and_lines(found(write(tmp_path, content))) == [(code, line)]


def test_a_config_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "config.yaml")
    assert codes_and_lines(found(tmp_path / "config.yaml")) == [("SM-CFG-009", 0)]


@pytest.mark.parametrize("lent", ["<<: *other", "<<: [{min_size: 9}, *other]"])
def test_a_setting_that_is_lent_to_an_engine_without_it(tmp_path, lent):
    text = f"""
environments: {{a: &other {{flow_threshold: 0.3}}}}
images: {{folder: data}}
segmentation:
  engine: threshold
  {lent}
"""
    problems = found(write(tmp_path, text))
    assert ("SM-CFG-010", 4) in codes_and_lines(problems)
    overrides = {"segmentation": {"flow_threshold": 0.3}}
    with pytest.raises(Problems) as caught:
        load_config(write(tmp_path, MINIMAL), overrides)
    assert [problem.code for problem in caught.value.problems] == ["SM-CFG-010"]


def test_no_pattern_lets_a_newline_pass():
    values = ("#a0B1c2", "growth", "x", "HF_TOKEN", "12.4", "results")
    patterns = re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', SCHEMA.read_text(encoding="utf-8"))
    assert len(patterns) >= 8
    for pattern in map(json.loads, patterns):
        fitting = [value for value in values if re.search(pattern, value)]
        assert fitting, pattern
        assert not any(re.search(pattern, f"{value}\n") for value in fitting), pattern
    assert result_name("day1/pos (p2)\n") == "day1/pos (p2)\n"


def all_rules(rule: dict, name: str = ""):
    for key, child in rule.get("properties", {}).items():
        yield f"{name}{key}", key in rule.get("required", ()), child
        yield from all_rules(child, f"{name}{key}.")


@pytest.mark.parametrize(
    ("required", "rule"), [pytest.param(*rest, id=name) for name, *rest in all_rules(schema())]
)
def test_every_setting_is_described_and_has_a_default_that_it_accepts(required, rule):
    assert rule["description"].endswith(".")
    assert ("default" in rule) != required
    if not required:
        assert not list(jsonschema.Draft202012Validator(rule).iter_errors(rule["default"]))


def test_french(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    text = str(found(write(tmp_path, "images: {folder: data}\nsegmentation:\n  diamater: 3\n"))[0])
    assert "ligne 3" in text and "`diamater` sous `segmentation`" in text
    assert "Vouliez-vous dire `diameter` ?" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("images:\n\tfolder: data\n", "une tabulation à la place d'espaces"),
        (
            "images:\n  folder: data\n  z:max\n  time: 1\n",
            "il manque un deux-points suivi d'un espace",
        ),
        (
            "images:\n  folder: data\n  channel: GFP: 1\n",
            "un texte qui contient un deux-points suivi d'un espace",
        ),
        ("images:\n  folder: 'l'aube'\n", "derrière un guillemet"),
        ("images:\n  folder: 'data\n", "un guillemet ouvert ici"),
        ("images:\n  include: [a\n", "un crochet ou une accolade"),
        ('images:\n  include: ["a" "b"]\n', "il manque une virgule"),
        ("images:\n  folder: @data\n", "un texte qui commence par @"),
        ("scripts:\n  -name: a\n    script: b\n", "il manque un espace après le tiret"),
        ("images:\n  folder: data\n   z: max\n", "elle ne commence pas dans la même colonne"),
        ("images:\n  folder: [a]\n   z: max\n", "elle ne commence pas dans la même colonne"),
        ("images:\n  folder: data\n  exclude: *test*\n", "un texte qui commence par * ou &"),
    ],
)
def test_the_usual_faults_of_yaml_are_told_in_the_users_language(
    tmp_path, monkeypatch, content, words
):
    monkeypatch.setenv("SEGMAKE_LANG", "fr")
    (problem,) = found(write(tmp_path, content))
    assert problem.code in ("SM-CFG-005", "SM-CFG-066") and words in str(problem)


@pytest.mark.parametrize(
    ("written", "code"),
    [("0,065", "SM-CFG-046"), ("6,5 µm", "SM-CFG-061"), ("-0,5", "SM-CFG-002")],
)
def test_a_number_with_a_comma_is_told_how_to_be_written(tmp_path, written, code):
    text = f"images:\n  folder: data\n  pixel_size_um: {written}\n"
    (problem,) = found(write(tmp_path, text))
    assert problem.code == code and problem.where.endswith("line 3")
    assert ("Write 0.065." in str(problem)) == (code == "SM-CFG-046")


@pytest.mark.parametrize(
    ("setting", "code", "words"),
    [
        ('diameter: "30"', "SM-CFG-060", "Write 30,"),
        ('flow_threshold: ".4"', "SM-CFG-060", "Write 0.4,"),
        ("diameter: 30 px", "SM-CFG-061", "Write 30:"),
        ("diameter: 2,6 µm", "SM-CFG-061", "Write 40:"),
        ("min_size: 15.2 pixels", "SM-CFG-061", "Write 15:"),
        ("min_size: 1 000", "SM-CFG-062", "Write 1000."),
        ("cellprob_threshold: \u22121", "SM-CFG-062", "Write -1."),
        ("cellprob_threshold: 1,234.5", "SM-CFG-002", "at most 20"),
        ("diameter: 3 apples", "SM-CFG-002", "above 0"),
        ("invert: oui", "SM-CFG-063", "Write true,"),
        ("gpu: 0", "SM-CFG-063", "Write false,"),
        ("diameter: 0", "SM-CFG-067", "Write estimate ("),
        ("channels: [0, 0]", "SM-CFG-065", "`second_channel` under `images`"),
        ("model_type: cyto3", "SM-CFG-065", "`model` under `segmentation`"),
        ("use_gpu: true", "SM-CFG-065", "`gpu` under `segmentation`"),
        ("omni: true", "SM-CFG-065", "`engine: omnipose`"),
        ("chan: 2", "SM-CFG-065", "`channel`"),
    ],
)
def test_numbers_and_words_of_people_are_told_as_what_is_to_be_written(
    tmp_path, setting, code, words
):
    text = f"images:\n  folder: data\n  pixel_size_um: 0.065\nsegmentation:\n  {setting}\n"
    (problem,) = found(write(tmp_path, text))
    assert problem.code == code and words in problem.remedy
    assert problem.where.endswith("line 5")


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("diameter: 0", "SM-CFG-075"),
        ("diameter: 1,5", "SM-CFG-046"),
        ("model_type: cyto3", "SM-CFG-065"),
        ("use_gpu: true", "SM-CFG-065"),
        ("diam: 20", "SM-CFG-065"),
    ],
)
def test_with_threshold_nobody_is_sent_to_what_only_networks_have(tmp_path, setting, code):
    text = f"images:\n  folder: data\nsegmentation:\n  engine: threshold\n  {setting}\n"
    (problem,) = found(write(tmp_path, text))
    assert problem.code == code and problem.where.endswith("line 5")
    for other in ("estimate", "the model's own", "Write `model`", "Write `gpu`"):
        assert other not in str(problem)


@pytest.mark.parametrize("range_", ["1-20", "1 – 20", "1..20", "20 to 1", "1 à 20"])
@pytest.mark.parametrize("key", ["time", "positions"])
def test_a_range_in_words_is_told_as_the_list_to_write(tmp_path, key, range_):
    (problem,) = found(write(tmp_path, f"images:\n  folder: data\n  {key}: {range_}\n"))
    assert problem.code == "SM-CFG-074" and "Write [1, 20]:" in problem.remedy


@pytest.mark.parametrize("setting", ["channel: 0", "second_channel: 0", "z: 0", "time: [0, 10]"])
def test_what_is_counted_from_0_elsewhere_is_counted_from_1(tmp_path, setting):
    (problem,) = found(write(tmp_path, f"images:\n  folder: data\n  {setting}\n"))
    assert problem.code == "SM-CFG-068" and "Write 1 for the first" in problem.remedy


def test_micrometres_without_the_size_of_a_pixel_are_no_number_of_pixels(tmp_path):
    text = "images:\n  folder: data\nsegmentation:\n  diameter: 2 µm\n"
    (problem,) = found(write(tmp_path, text))
    assert problem.code == "SM-CFG-064"


@pytest.mark.parametrize(
    ("mistake", "slip"),
    [
        (r"^( *\w+): +(?=\S)", r"\1:"),
        (r"^(?= *\w+:)", " "),
        (r"^  (?=\w+:)", ""),
        (r"^ +(?=\w+:)", "\t"),
        (r"^( *\w+: ).*", r"\1*x"),
        (r"^( *\w+: ).*", r"\1a: b"),
        (r"^( *\w+: ).*", r'\1"abc'),
        (r"^( *\w+: ).*", r"\1[a, b"),
    ],
)
def test_the_line_that_was_mistyped_is_the_one_that_is_blamed(tmp_path, mistake, slip):
    (tmp_path / "images").mkdir()
    lines = commented_config("en").split("\n")
    slips = [(number, re.sub(mistake, slip, line)) for number, line in enumerate(lines, 1)]
    # Of the two settings of `overlays`, either may begin in the wrong column.
    typed = [each for each in slips if each[1] != lines[each[0] - 1] and "color" not in each[1]]
    assert len(typed) > 20
    for number, line in typed[::5]:
        text = "\n".join([*lines[: number - 1], line, *lines[number:]])
        told = {problem.where.line for problem in found(write(tmp_path, text))}
        assert number in told, (line, told)


def test_the_head_of_a_long_section_is_blamed_for_its_own_column(tmp_path):
    patterns = "".join(f'    - "day{number}/*.tif"\n' for number in range(40))
    text = f" images:\n  folder: data\n  include:\n{patterns}results: results\n"
    (problem,) = found(write(tmp_path, text))
    assert problem.code == "SM-CFG-066" and problem.where.endswith("line 1")


def test_a_line_that_is_put_right_for_a_trial_is_shown(tmp_path):
    text = "images:\n  folder: data\n  include: *.tif\n"
    (problem,) = found(write(tmp_path, text))
    assert '  include: ["*.tif"]' in problem.remedy and "with 2 spaces" in problem.remedy
    text = "images:\n  folder: /tmp/day: 1\n"
    (problem,) = found(write(tmp_path, text))
    assert '  folder: "/tmp/day: 1"' in problem.remedy


def test_a_path_that_a_comment_cuts_is_told_in_quotes(tmp_path):
    (problem,) = found(write(tmp_path, "images:\n  folder: /tmp/exp #3: x # mine\n"))
    assert problem.code == "SM-CFG-069" and '"/tmp/exp #3: x".' in problem.remedy
    load_config(write(tmp_path, "images:\n  folder: data #no path\nresults: out #old\n"))
    (tmp_path / "data #3").mkdir()
    (problem,) = found(write(tmp_path, "images:\n  folder: [data #3\n  ]\n"))
    assert problem.code == "SM-CFG-069" and problem.where.endswith("line 2")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ('results: "D:\\res"', "SM-CFG-016", "without quotes"),
        ("outputs: rois", "SM-CFG-070", "Write [rois]."),
        ("leave_out: good_1.tif", "SM-CFG-073", '\nleave_out: {good_1.tif: "the reason"}'),
        ("looked_at: [a, b*]", "SM-CFG-073", 'looked_at: {a: "the reason", "b*": "the reason"}'),
        ("leave_out: [a: old, b]", "SM-CFG-073", 'leave_out: {a: "old", b: "the reason"}'),
        ("leave_out: {a.tif: }", "SM-CFG-073", '\na.tif: "the reason"'),
        ("leave_out: 7", "SM-CFG-002", "a section"),
    ],
)
def test_what_stands_at_the_top_is_told_as_what_is_in_a_section(tmp_path, line, code, words):
    (problem,) = found(write(tmp_path, MINIMAL + line + "\n"))
    assert problem.code == code and words in problem.remedy


def test_of_several_files_the_later_ones_count_and_each_fault_has_its_file(tmp_path):
    first, last = tmp_path / "lab.yaml", tmp_path / "day.yaml"
    first.write_text(
        "images:\n  folder: data\n  exclude: [a, b, c]\n"
        "segmentation: {engine: threshold, min_size: 20}\noverlays: {color: red}\n"
        "scripts:\n  - {name: x, script: a.py, arguments: {k: 1e-3}}\n"
    )
    last.write_text(
        "images:\n  exclude: [d]\nsegmentation:\n  min_size: -7\nresults: other\nscripts: []\n"
    )
    with pytest.raises(Problems) as caught:
        load_config(last, before=[first])
    told = [(each.where.file, each.where.line) for each in caught.value.problems]
    assert told == [(str(first), 5), (str(last), 4)]
    first.write_text(first.read_text().replace("overlays: {color: red}\n", ""))
    last.write_text(last.read_text().replace("-7", "7"))
    config = load_config(last, before=[first])
    assert config.settings["images"]["folder"] == "data"
    assert config.settings["images"]["exclude"] == ["d"]
    assert config.settings["segmentation"]["engine"] == "threshold"
    assert config.settings["segmentation"]["min_size"] == 7 and config.settings["scripts"] == []
    assert config.where("images", "folder") == f"{first}, line 2"
    assert config.where("segmentation", "min_size") == f"{last}, line 4"
    # What stood in a list that another one replaces has no place any more.
    assert config.where("images", "exclude", 2) == f"{last}, line 2"
    (tmp_path / "both.yaml").write_text(text_of_all([first, last]))
    assert load_config(tmp_path / "both.yaml").settings == config.settings


def result_of(path: Path) -> None:
    try:
        config = load_config(path)
    except Problems as problems:
        assert problems.problems and str(problems)
    else:
        assert set(config.settings) == set(schema()["properties"])


KEYS = st.one_of(
    st.sampled_from([name.rpartition(".")[2] for name, *_ in all_rules(schema())]),
    st.text(max_size=8),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.just(10**400),
    st.text(max_size=8),
    st.dates(),
    st.sampled_from(["cellpose3", "threshold", "cyto3", "all", "auto", "~", "~x/y", "*.tif", "!"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
SECTIONS = st.fixed_dictionaries(
    {"images": st.fixed_dictionaries({"folder": st.text(max_size=4) | SCALARS})},
    optional={
        name: VALUES
        | st.dictionaries(st.sampled_from(sorted(rule.get("properties", {"x": 0}))), SCALARS)
        for name, rule in schema()["properties"].items()
        if name != "images"
    },
)


@settings(max_examples=60)
@given(st.one_of(SECTIONS, st.dictionaries(KEYS, VALUES, max_size=5)))
def test_any_mapping_gives_a_config_or_problems(mapping):
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(mapping, text)
    with tempfile.TemporaryDirectory() as folder:
        result_of(write(Path(folder), text.getvalue()))


@given(st.text(st.sampled_from("abimages: folder\n\t-[]{}!&*<>|%@#'\"\\,.0129?=~é\x07\x00")))
def test_any_text_gives_a_config_or_problems(text):
    with tempfile.TemporaryDirectory() as folder:
        result_of(write(Path(folder), text))


@pytest.mark.parametrize(
    ("lines", "code", "word"),
    [
        ("overlays: {color: }\n", "SM-CFG-047", '"#ffb000"'),
        ("overlays:\n  color: #ff0000\n", "SM-CFG-047", "quotes"),
        ("scripts: [{name: mon étape, script: a.py}]\n", "SM-SCR-062", "mon étape"),
    ],
)
def test_what_people_often_write_is_told_as_such(tmp_path, lines, code, word):
    problem = found(write(tmp_path, MINIMAL + lines))[0]
    assert problem.code == code and word in str(problem)
