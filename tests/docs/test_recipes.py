"""Each recipe for developers is followed, block by block, in a scratch copy; its own tests pass there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.recipes import DEVELOPERS, Scratch

RECIPES = sorted(page.name for page in DEVELOPERS.glob("add-*.md") if ".fr." not in page.name)


def test_there_are_recipes() -> None:
    assert {"add-a-message.md", "add-a-setting.md", "add-an-engine.md"} <= set(RECIPES)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_works_when_it_is_followed(recipe: str, tmp_path: Path) -> None:
    Scratch(tmp_path).follow(DEVELOPERS / recipe)
