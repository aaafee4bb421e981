"""A config with another version's comments means what the user's own did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from segmake.config.load import load_config
from segmake.config.schema import schema, with_defaults
from segmake.config.yaml_lines import read_yaml
from segmake.messages import Problems
from segmake.updates import settings as merging

SECTIONS = schema()["properties"]
ENGINES = SECTIONS["segmentation"]["properties"]["engine"]["enum"]

# What YAML might take for something else.
WORDS = st.sampled_from(
    [
        "Phase",
        "GFP: 488",
        "# 1",
        "null",
        "yes",
        "007",
        "1e3",
        "été",
        "a, b",
        "'",
        '"',
        "*",
        "- x",
        "{x}",
    ]
)


def values(rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a setting may have, as far as the schema tells."""
    if "oneOf" in rule:
        return st.one_of([values(part) for part in rule["oneOf"] if "properties" not in part])
    if "enum" in rule:
        return st.sampled_from(rule["enum"])
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return st.one_of([of_kind(kind, rule) for kind in kinds])


def of_kind(kind: str, rule: dict[str, Any]) -> st.SearchStrategy[Any]:
    low = rule.get("minimum", rule.get("exclusiveMinimum", -4))
    high = rule.get("maximum", max(low, 0) + 400)
    if kind == "integer":
        step = rule.get("multipleOf", 1)
        return st.integers(-(-int(low) // step), int(high) // step).map(lambda n: n * step)
    if kind == "number":
        return st.floats(low, high, exclude_min="exclusiveMinimum" in rule).map(
            lambda n: round(n, 6)
        )
    if kind == "boolean":
        return st.booleans()
    if kind == "null":
        return st.none()
    if kind == "array":
        fixed = rule.get("default")
        return (
            st.just(fixed)
            if fixed
            else st.lists(values(rule.get("items", {"type": "string"})), max_size=2)
        )
    known = [*rule.get("examples", []), *([rule["default"]] if rule.get("default") else [])]
    return st.sampled_from(known) if "pattern" in rule or known else WORDS


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    engine = draw(st.sampled_from(ENGINES))
    found: dict[str, Any] = {"images": {"folder": "images"}, "segmentation": {"engine": engine}}
    for name in ("images", "segmentation", "cluster", "measurements", "overlays"):
        rules = SECTIONS[name]["properties"]
        takes = [k for k, r in rules.items() if engine in r.get("x-engines", [engine])]
        for key in draw(st.lists(st.sampled_from(takes), unique=True, max_size=5)):
            if key not in ("engine", "folder", "model", "models_folder"):
                found.setdefault(name, {})[key] = draw(values(rules[key]))
    if draw(st.booleans()):
        found["outputs"] = draw(st.sampled_from([[], ["rois"], ["cellpose", "ome_zarr"]]))
    if draw(st.booleans()):
        texts = st.one_of(
            WORDS, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
        )
        found["environments"] = {"growth": {"python": "3.11", "packages": ["pandas", "numpy<2.4"]}}
        arguments = draw(
            st.dictionaries(st.sampled_from(["a", "long-name", "on"]), texts, max_size=3)
        )
        found["scripts"] = [{"name": "s", "script": "s.py", "run": "once", "arguments": arguments}]
    return found


@given(configs())
@settings(
    max_examples=25,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)
def test_a_valid_config_keeps_all_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir(exist_ok=True)
    Path("s.py").write_text("import sys\n")
    own, new = Path("own.yaml"), Path("new.yaml")
    own.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    try:
        before = load_config(own).settings
    except Problems:
        assume(False)
    merged = merging.merged_config(own)
    assert merged.unknown == ()
    assert merging.means_the_same(own, merged.text)
    new.write_text(merged.text, encoding="utf-8")
    assert load_config(new).settings == before
    # What was stated is stated, so that other defaults of versions to come do not count.
    written, stated = read_yaml(own)[0], read_yaml(new)[0]
    for section, value in written.items():
        for key in value if isinstance(value, dict) and "properties" in SECTIONS[section] else ():
            rule = SECTIONS[section]["properties"][key]
            engine = written["segmentation"]["engine"]
            counts = [
                with_defaults(each[section].get(key, "-"), rule, engine)
                for each in (written, stated)
            ]
            assert counts[0] == counts[1], f"{section}: {key}"


@pytest.mark.parametrize(
    "text",
    [
        "arguments: {count: 007, small: 1e-3, tab: 0x10}",
        "sweep: {seed: {from: 1, to: 5}, x: [0.10, 1.0]}",
        "set: {N: 12}",
    ],
)
def test_numbers_of_scripts_stay_as_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text("N = 3\nprint(N)\n")
    run = "sweep" if text.startswith("sweep") else "once"
    own = Path("own.yaml")
    script = f"scripts:\n  - name: s\n    script: s.py\n    run: {run}\n    {text}\n"
    own.write_text(f"images: {{folder: null}}\nsegmentation: {{engine: threshold}}\n{script}")
    Path("new.yaml").write_text(merging.merged_config(own).text)
    assert load_config(Path("new.yaml")).settings == load_config(own).settings


def test_a_null_stays_null_where_the_default_is_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "images: {folder: a}\nsegmentation: {engine: cellpose3, diameter: null, niter: null}\n"
    )
    rule = SECTIONS["segmentation"]["properties"]
    monkeypatch.setitem(rule["diameter"], "default", 30)
    monkeypatch.setitem(rule["niter"], "default", 200)
    merged = merging.merged_config(own).text
    assert merging.means_the_same(own, merged)
    assert "\n  diameter: null" in merged and "\n  niter: null" in merged


def test_a_config_that_would_mean_another_thing_is_found_out(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("images: {folder: a}\nsegmentation: {engine: threshold, min_size: 3}\n")
    merged = merging.merged_config(own).text
    assert merging.means_the_same(own, merged)
    assert not merging.means_the_same(own, merged.replace("min_size: 3", "min_size: 4"))


@pytest.mark.parametrize(
    ("file", "words"), [("config.schema.fr.json", "# Les réglages"), ("x.json", "# The")]
)
def test_the_language_is_that_of_the_users_config(tmp_path: Path, file: str, words: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"# yaml-language-server: $schema=../workflow/{file}\nimages: {{folder: a}}\n")
    assert words in merging.merged_config(own).text
