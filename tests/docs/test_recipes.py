"""Each recipe for developers is followed, block by block, in a scratch copy; its own tests pass there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.recipes import DEVELOPERS, Scratch, blocks

RECIPES = sorted(page.name for page in DEVELOPERS.glob("add-*.md") if ".fr." not in page.name)
# It runs the whole workflow, several times.
LONG = {"add-a-step.md"}


def test_there_are_recipes_and_in_french_they_are_the_same() -> None:
    assert len(RECIPES) >= 5
    for name in RECIPES:
        english, french = (
            [(mark, text) for mark, language, text in blocks(DEVELOPERS / page) if mark]
            for page in (name, name.replace(".md", ".fr.md"))
        )
        assert english == french


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in RECIPES],
)
def test_a_recipe_works_when_it_is_followed(recipe: str, tmp_path: Path) -> None:
    Scratch(tmp_path).follow(DEVELOPERS / recipe)


@pytest.mark.long
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_shows_in_french_what_its_french_page_says(recipe: str, tmp_path: Path) -> None:
    Scratch(tmp_path, "fr").follow(DEVELOPERS / recipe.replace(".md", ".fr.md"))
