from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from doctest import DocTestParser
from itertools import pairwise
from pathlib import Path

import pytest

from segmake.tools.drawing import layer_of, layers
from tests.projects import ROOT

PACKAGE = ROOT / "workflow" / "segmake"
EXAMPLES = ROOT / "tests" / "unit" / "folder_examples.py"
LAYERS = layers()

# What starts the package, and what holds folders that are layers themselves.
OUTSIDE = {"segmake", "segmake.__main__", "segmake.environments", "segmake.scripts"}


def init_of(layer: str) -> Path:
    return PACKAGE.joinpath(*layer.split("."), "__init__.py")


def docstring_of(layer: str) -> str:
    return ast.get_docstring(ast.parse(init_of(layer).read_text(encoding="utf-8"))) or ""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What failed in the example of each folder: one process for all, since each would import the same again."""
    place = tmp_path_factory.mktemp("examples")
    # What lies lower comes first, and gets no module that a higher one has imported.
    files = [str(init_of(layer)) for layer in reversed(LAYERS)]
    environment = {**os.environ, "SEGMAKE_LANG": "en", "PYTHONPATH": str(PACKAGE.parent)}
    words = [sys.executable, str(EXAMPLES), str(place), *files]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("layer", LAYERS)
def test_the_example_of_a_folder_works_without_snakemake(
    layer: str, failures: dict[str, str]
) -> None:
    assert not failures[str(init_of(layer))], failures[str(init_of(layer))]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_example_of_a_folder_uses_it_and_nothing_above_it(layer: str) -> None:
    examples = DocTestParser().get_examples(docstring_of(layer))
    modules = [
        node.module or ""
        for example in examples
        for node in ast.walk(ast.parse(example.source))
        if isinstance(node, ast.ImportFrom)
    ]
    used = {layer_of(module, LAYERS) for module in modules if module.startswith("segmake")}
    assert layer in used
    assert used <= set(LAYERS[LAYERS.index(layer) :])


@pytest.mark.parametrize(("layer", "below"), list(pairwise(LAYERS[1:])))
def test_the_docstring_of_a_folder_names_the_layer_below_it(layer: str, below: str) -> None:
    assert f"May import `segmake.{below}`" in docstring_of(layer)


def test_every_module_belongs_to_a_layer() -> None:
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts).removesuffix(".__init__")
        assert (layer_of(module, LAYERS) is None) == (module in OUTSIDE), module


def test_every_layer_is_a_folder() -> None:
    assert [layer for layer in LAYERS if not init_of(layer).is_file()] == []


@pytest.mark.parametrize("name", ["environments", "scripts"])
def test_a_folder_that_holds_layers_has_no_code(name: str) -> None:
    tree = ast.parse(init_of(name).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) and len(tree.body) == 1
