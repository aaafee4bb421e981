from __future__ import annotations

import copy
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from segmake.config import template
from segmake.config.load import load_config, merged
from segmake.config.schema import default_of, schema, schema_file, with_defaults
from segmake.config.template import WIDTH, commented_config, suggested
from segmake.config.yaml_lines import read_yaml
from segmake.config.yaml_values import in_one_line
from segmake.messages import LANGUAGES, Problems
from segmake.tools.config_schema import source
from tests.projects import ROOT
from tests.unit.all_settings import all_settings

SETTINGS = dict(all_settings(source()))
SECTIONS = schema()["properties"]
ENGINES = SECTIONS["segmentation"]["properties"]["engine"]["enum"]
GROUPS = {"first", "more", "rare"}
# A setting that is commented out has nothing between its # and its name; the comments have a space there.
COMMENTED_OUT = re.compile(r"^(?P<indent> *)#(?P<setting>(?P<key>\w+): .*)$")
# What has too many values for a word on each.
UNNAMED_VALUES = {"segmentation.restore", "environments.*.python"}


def of_engine(engine: str) -> dict[str, Any]:
    """Return settings that choose an engine, and nothing else."""
    return {"images": {"folder": "images"}, "segmentation": {"engine": engine}}


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def values_of(rule: dict[str, Any]) -> list[Any]:
    """Return the values that a rule lists, at the top or as one of several possibilities."""
    return [
        value
        for choice in [rule, rule.get("items", {}), *rule.get("oneOf", [])]
        for value in choice.get("enum", [])
        if value is not None
    ]


def texts_of(rule: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield each text of a setting: a section with a key for each language."""
    yield from (rule[word] for word in ("title", "description") if word in rule)
    yield from rule.get("choices", {}).values()
    for example in rule.get("examples", []):
        if isinstance(example, dict) and "value" in example:
            yield {language: example[language] for language in LANGUAGES}


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_has_a_title_a_group_and_an_explanation(path: str) -> None:
    rule = SETTINGS[path]
    assert rule["group"] in GROUPS
    for text in (rule["title"], rule["description"]):
        assert set(text) == set(LANGUAGES) and all(text.values())
    assert all(text.endswith((".", "...")) for text in rule["description"].values())
    # An end of its own would meet the point after the title.
    assert not any(text.endswith((".", ":")) for text in rule["title"].values())
    unit = rule.get("unit", "px")
    assert isinstance(unit, str) or set(unit) == set(LANGUAGES)


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_has_an_example_or_says_what_all_its_values_stand_for(path: str) -> None:
    rule = SETTINGS[path]
    named, values = set(rule.get("choices", {})), set(map(str, values_of(rule)))
    truth = {"type": "boolean"}
    switch = rule.get("type") == "boolean" or (
        truth in rule.get("oneOf", []) and path != "tracking"
    )
    section = "properties" in rule
    all_named = bool(values) and len(named) == len(values) and "type" not in rule
    assert (
        rule.get("examples")
        or "shown" in rule
        or switch
        or all_named
        or section
        or (path in UNNAMED_VALUES and named)
    )
    if values and path not in UNNAMED_VALUES and path != "measurements.intensity_channels":
        assert {in_one_line(value) for value in named} == {
            in_one_line(value) for value in values_of(rule)
        }


@pytest.mark.parametrize("path", dict(all_settings(schema())))
def test_examples_and_named_values_are_ones_that_the_setting_takes(path: str) -> None:
    rule = dict(all_settings(schema()))[path]
    validator = jsonschema.Draft202012Validator(rule)
    for language in LANGUAGES:
        for example in dict(all_settings(schema(language)))[path].get("examples", []):
            assert not list(validator.iter_errors(example)), example
    for value in (yaml.safe_load(choice) for choice in rule.get("x-choices", {})):
        listed = [value] if rule.get("type") == "array" or path == "scripts.needs" else value
        assert not list(validator.iter_errors(listed)), value
    if "x-written" in rule:
        assert not list(validator.iter_errors(rule["x-written"]))


@pytest.mark.parametrize("path", SETTINGS)
def test_each_text_is_in_both_languages_and_in_good_form(path: str) -> None:
    for text in texts_of(SETTINGS[path]):
        assert set(text) == set(LANGUAGES), text
        # A space stands before these in French, and none in English.
        assert not re.search(r"\w[;?!](?=\s|$)", text["fr"]), text["fr"]
        assert not re.search(r" [;?!:](?=\s|$)", text["en"]), text["en"]
        prose = re.sub(r"`[^`]*`|\{.*?\}|\w+: \w+\b(?= )", "", text["fr"])
        assert not re.search(r"\b(null|true|false):", prose), text["fr"]
        assert text["en"] != text["fr"] or len(text["en"].split()) < 4, text["en"]


def without_texts(node: Any) -> Any:
    """Return a schema with nothing of what people are told; what they name themselves may differ in examples."""
    if isinstance(node, list):
        return [without_texts(item) for item in node]
    if not isinstance(node, dict):
        return node
    texts = ("title", "description", "x-text", "x-head", "x-rare", "x-alone", "x-only", "x-shown")
    kept = {}
    for key, value in node.items():
        if key == "x-choices":
            kept[key] = list(value)
        elif key == "x-examples":
            kept[key] = len(value)
        elif key == "examples":
            kept[key] = [type(example).__name__ for example in value]
        elif key not in texts or (isinstance(value, dict) and "type" in value):
            kept[key] = None if key == "x-unit" else without_texts(value)
    return kept


def test_what_people_name_themselves_has_french_names_in_french_examples() -> None:
    french, english = (commented_config(language) for language in ("fr", "en"))
    for words in ("/data/moi/lundi", "modeles/mon_modele", "_croissance"):
        assert words in french and words not in english
    assert not re.search(r"/data/me\b|monday|my_|experiment\b", french)


def test_the_schemas_differ_in_their_texts_alone() -> None:
    english, french = (without_texts(schema(language)) for language in LANGUAGES)
    assert english == french
    assert schema("en")["x-head"] != schema("fr")["x-head"]
    assert len(json.dumps(english)) > 20_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_editor_is_told_units_engines_and_what_values_stand_for(language: str) -> None:
    rule = schema(language)["properties"]["images"]["properties"]["z"]
    assert all(f"{name}" in rule["description"] for name in rule["x-choices"])
    rule = schema(language)["properties"]["segmentation"]["properties"]["diameter"]
    assert "px" in rule["description"] and "omnipose" in rule["description"]
    assert rule["description"].startswith(rule["x-text"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_commented_config_has_the_defaults_but_for_what_is_marked(
    language: str, tmp_path: Path
) -> None:
    config = load_config(write(tmp_path, commented_config(language)))
    expected = with_defaults(suggested(), schema(), "cellpose3")
    assert suggested() == {
        "images": {"folder": "images"},
        "segmentation": {"model": "bact_phase_cp3"},
    }
    expected["segmentation"] = {
        key: value
        for key, value in expected["segmentation"].items()
        if key in config.settings["segmentation"]
    }
    assert config.settings == expected


def settings_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if COMMENTED_OUT.match(line) or "#" not in line[:4]]


@pytest.mark.parametrize("engine", ENGINES)
def test_both_languages_have_the_same_settings(engine: str) -> None:
    english, french = (
        settings_lines(commented_config(language, values=of_engine(engine)))
        for language in LANGUAGES
    )
    assert english == french and len(english) > 100


def test_every_setting_is_in_the_commented_config_once() -> None:
    lines = settings_lines(commented_config("en"))
    names = [match[1] for line in lines if (match := re.match(r" *#?(\w+):", line))]
    known = [
        name
        for section, rule in SECTIONS.items()
        for name in [section, *rule.get("properties", {})]
    ]
    assert sorted(names) == sorted(known)


def uncommented(text: str, taken: set[str]) -> str:
    """Return a config in which settings that are commented out are not."""
    lines = []
    for line in text.splitlines():
        match = COMMENTED_OUT.match(line)
        free = match and match["key"] in taken
        lines.append(f"{match['indent']}{match['setting']}" if match and free else line)
    return "\n".join(lines) + "\n"


def keys_out(text: str) -> list[str]:
    return [match["key"] for line in text.splitlines() if (match := COMMENTED_OUT.match(line))]


def engines_of(key: str) -> list[str]:
    return SECTIONS["segmentation"]["properties"].get(key, {}).get("x-engines", ENGINES)


@pytest.mark.parametrize("key", [*dict.fromkeys(keys_out(commented_config("en")))])
def test_a_setting_that_is_commented_out_stands_at_its_default(key: str, tmp_path: Path) -> None:
    engine = "cellpose3" if "cellpose3" in engines_of(key) else engines_of(key)[0]
    text = commented_config("en", values=of_engine(engine))
    before = load_config(write(tmp_path, text)).settings
    free = uncommented(text, {key})
    assert free != text
    assert load_config(write(tmp_path, free)).settings == before


@pytest.mark.parametrize("engine", ENGINES)
def test_all_that_an_engine_takes_can_be_uncommented_at_once(engine: str, tmp_path: Path) -> None:
    text = commented_config("fr", values=of_engine(engine))
    before = load_config(write(tmp_path, text)).settings
    taken = {key for key in keys_out(text) if engine in engines_of(key)}
    config = load_config(write(tmp_path, uncommented(text, taken)))
    assert config.settings == before
    for key in config.settings["segmentation"]:
        assert ("segmentation", key) in config.lines, key
    others = set(keys_out(text)) - taken
    with pytest.raises(Problems, match="SM-CFG-010"):
        load_config(write(tmp_path, uncommented(text, others)))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_is_longer_than_an_editor_shows(language: str, engine: str) -> None:
    text = commented_config(language, values=of_engine(engine))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not re.search(r" \n|\t|\N{NO-BREAK SPACE}", text)


@pytest.mark.parametrize("width", [40, 47, 53, 60, 71, 83, WIDTH])
@pytest.mark.parametrize("language", LANGUAGES)
def test_lines_are_not_broken_before_what_belongs_to_their_end(
    language: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template, "WIDTH", width)
    text = commented_config(language)
    assert len({len(line) for line in text.splitlines()}) > 20
    assert not re.search(r"^ *# +[:;?!»]|«$|\bnull ?:$", text, re.MULTILINE)
    # Code stays together.
    assert all(line.count("`") % 2 == 0 for line in text.splitlines())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_editor_finds_the_schema_of_the_language(language: str) -> None:
    line = commented_config(language).splitlines()[0]
    modeline = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)
    assert modeline and (ROOT / "config" / modeline[1]).resolve() == schema_file(language)
    line = commented_config(language, schema_address="/there/x.json").splitlines()[0]
    assert line == "# yaml-language-server: $schema=/there/x.json"


@pytest.mark.parametrize("section", ["scripts", "environments"])
def test_the_example_of_a_section_is_the_same_in_both_languages_and_sound(section: str) -> None:
    english, french = (
        yaml.safe_load(schema(language)["properties"][section]["x-shown"]) for language in LANGUAGES
    )
    assert english == french
    rule = SECTIONS[section]
    assert not list(jsonschema.Draft202012Validator(rule).iter_errors(english[section]))
    for name in re.findall(r"segmake:(\w+\.\w+)", json.dumps(english)):
        assert (ROOT / "scripts" / name).is_file()


def test_the_pages_that_comments_name_are_there() -> None:
    for language in LANGUAGES:
        pages = set(re.findall(r"\b(?:docs|config)/[\w./-]+\.md", commented_config(language)))
        assert len(pages) > 5
        assert [page for page in pages if not (ROOT / page).is_file()] == []


TROUBLE = [
    *(
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "null",
        "~",
        "True",
        "",
        " ",
        "0:10",
        "1-12:00",
        "3.10",
        "007",
    ),
    *(
        "1e-3",
        "0x1f",
        "1_000",
        ".5",
        ".inf",
        "2026-11-23",
        "#ffb000",
        "a: b",
        "a #b",
        "- a",
        "*.tif",
    ),
    *(
        "&a",
        "!x",
        "{image}",
        "[a]",
        "it's",
        'say "so"',
        "back\\slash",
        "line\nbreak",
        "tab\t",
        "é µ",
    ),
    *(
        "\N{NO-BREAK SPACE}",
        "\x85",
        "\u2028",
        "\ufeff",
        "\N{GRINNING FACE}",
        "=",
        "<<",
        "%",
        "@",
        "`",
    ),
]
TEXTS = st.sampled_from(TROUBLE) | st.text(st.characters(codec="utf-8"), max_size=8)


def valid(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what makes values that a rule takes."""
    if "enum" in rule:
        return st.sampled_from(rule["enum"])
    if "oneOf" in rule:
        return st.one_of(*map(valid, rule["oneOf"]))
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return st.one_of(*(valid_of_kind(kind, rule) for kind in kinds))


def valid_of_kind(kind: str, rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    low, high = rule.get("minimum", -(10**9)), rule.get("maximum", 10**9)
    low = rule.get("exclusiveMinimum", low)
    if kind in ("number", "integer"):
        step = rule.get("multipleOf", 1)
        whole = st.integers(-(-int(low) // step) + 1, int(high) // step).map(lambda n: n * step)
        if kind == "integer" or high - low > 2:
            whole |= st.nothing()
        else:
            whole = st.nothing()
        exact = st.floats(low, high, exclude_min="exclusiveMinimum" in rule)
        return whole if kind == "integer" else whole | exact
    if kind == "array":
        items = valid(rule["items"]) if "items" in rule else TEXTS
        most = rule.get("maxItems", 4)
        unique = rule.get("uniqueItems")
        return st.lists(
            items,
            min_size=rule.get("minItems", 0),
            max_size=most,
            unique_by=repr if unique else None,
        )
    if kind == "object":
        return valid_section(rule)
    if kind == "string":
        if "x-hours" in rule:
            return st.sampled_from(["0:10", "10min", "1h30", "1-12:00", "2"])
        if "pattern" in rule:
            return st.from_regex(rule["pattern"], alphabet=st.characters(codec="utf-8"))
        return TEXTS.filter(lambda text: len(text) >= rule.get("minLength", 0))
    return {"null": st.none(), "boolean": st.booleans()}[kind]


def valid_section(rule: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    known = {name: valid(child) for name, child in rule.get("properties", {}).items()}
    required = set(rule.get("required", ())) | set(rule.get("then", {}).get("required", ()))
    fixed = st.fixed_dictionaries(
        {name: made for name, made in known.items() if name in required},
        optional={name: made for name, made in known.items() if name not in required},
    )
    each = rule.get("additionalProperties", True)
    if each is False:
        return fixed
    pattern = rule.get("propertyNames", {}).get("pattern", ".+")
    names = st.from_regex(pattern, alphabet=st.characters(codec="utf-8"))
    names |= st.sampled_from([name for name in TROUBLE if re.search(pattern, name)] or ["a"])
    values = valid(each) if isinstance(each, dict) else TEXTS
    others = st.dictionaries(names.filter(lambda name: name not in known), values, max_size=3)
    return st.builds(lambda some, more: some | more, fixed, others)


VALUES = valid_section(schema())


# A failing example of such size is made smaller for minutes, and hardly is.
@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(VALUES, st.sampled_from(LANGUAGES))
def test_any_values_are_read_back_as_they_were(values: dict[str, Any], language: str) -> None:
    assert not list(jsonschema.Draft202012Validator(schema()).iter_errors(values))
    before = copy.deepcopy(values)
    text = commented_config(language, values=values)
    assert values == before
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        found, _, _ = read_yaml(path)
    for read in (found, yaml.safe_load(text)):
        for section, value in values.items():
            if "properties" not in SECTIONS[section]:
                assert repr(read[section]) == repr(value), section
                continue
            for key, setting in value.items():
                # One that is null may be commented out.
                assert repr(read[section].get(key)) == repr(setting), f"{section}, {key}"
    engine = values.get("segmentation", {}).get("engine", "cellpose3")
    complete = [with_defaults(each, schema(), engine) for each in (found, values)]
    assert complete[0] == complete[1]


@pytest.mark.parametrize("engine", ENGINES)
def test_values_that_stand_nowhere_are_at_their_default(engine: str, tmp_path: Path) -> None:
    text = commented_config("en", values=of_engine(engine))
    config = load_config(write(tmp_path, text))
    plain = load_config(write(tmp_path, json.dumps(of_engine(engine))))
    assert config.settings == plain.settings
    rules = SECTIONS["segmentation"]["properties"]
    model = default_of(rules["model"], engine)
    assert f"model: {model}" in text


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    written = (
        "images: {folder: null}\n"
        "cluster: {hours: 2.50}\n"
        "scripts:\n"
        "- {name: a, script: a.py, run: once, arguments: {--n: 007, -x: 1e-3, list: [1_0, 0.50]}}\n"
    )
    values, _, numbers = read_yaml(write(tmp_path, written))
    text = commented_config("en", values=values, numbers=numbers)
    again, _, kept = read_yaml(write(tmp_path, text))
    assert again["scripts"] == values["scripts"]
    assert {keys: number for keys, number in kept.items() if keys in numbers} == numbers
    assert '{"--n": 007, "-x": 1e-3, list: [1_0, 0.50]}' in text


def test_what_no_setting_is_stays_and_is_refused(tmp_path: Path) -> None:
    values = merged(
        {"images": {"folder": str(tmp_path)}},
        {"segmentation": {"diamater": 3}, "overlays": "red", "old": {"a": 1}, "measurements": None},
    )
    path = write(tmp_path, commented_config("en", values=values))
    found, _, _ = read_yaml(path)
    assert found["segmentation"]["diamater"] == 3 and found["overlays"] == "red"
    assert found["old"] == {"a": 1}
    with pytest.raises(Problems) as caught:
        load_config(path)
    assert [problem.code for problem in caught.value.problems] == [
        "SM-CFG-001",
        "SM-CFG-002",
        "SM-CFG-018",
    ]


def test_long_values_have_a_line_for_each_item() -> None:
    folders = [f"/data/of/somebody/experiment_{number}" for number in range(5)]
    values = {"images": {"folder": folders}}
    text = commented_config("en", values=values)
    assert f"  folder:\n    - {folders[0]}\n    - {folders[1]}\n" in text
    assert max(map(len, text.splitlines())) <= WIDTH
    script = {"name": "a", "script": "a.py", "arguments": {f"argument_{n}": n for n in range(20)}}
    text = commented_config("en", values=values | {"scripts": [script]})
    assert (
        "\nscripts:\n  - name: a\n    script: a.py\n    arguments:\n      argument_0: 0\n" in text
    )
