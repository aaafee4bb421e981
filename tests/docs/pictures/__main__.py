"""Takes the pictures of the tutorials, in both languages: ``python -m tests.docs.pictures FOLDER | --write [PART ...]``.

``--write`` takes them for the docs. The parts are `page`, `commands`, `simulation` and `viewers` (which come after
`commands`, and show its results); all of them take about a quarter of an hour. Root alone can set the stage.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path

from tests.docs.pictures import commands, page, stage, viewers
from tests.projects import ROOT

PARTS = ("commands", "simulation", "viewers", "page")


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.pictures")
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER")
    parser.add_argument("--write", action="store_true", help="into docs/pictures")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--languages", nargs="+", choices=("en", "fr"), default=("en", "fr"))
    typed = parser.parse_args()
    if not typed.write and not typed.folder:
        parser.error("a FOLDER, or --write")
    folder = (ROOT / "docs" / "pictures" if typed.write else typed.folder).resolve()
    stage.enter()
    folder.mkdir(parents=True, exist_ok=True)
    stage.start_login_node()
    stage.start_slurm()
    for language in typed.languages:
        for part in PARTS:
            if part in typed.parts:
                print(language, part, time.strftime("%X"), flush=True)
                _take(part, folder, language)
        stage.empty_home()


def _take(part: str, folder: Path, language: str) -> None:
    home = Path("/home", stage.USER)
    if part == "commands":
        commands.take(folder, language)
    elif part == "simulation":
        commands.take_simulation(folder, language)
        if language == "en":
            made = home / "community/results/scripts/survival/survival.png"
            shutil.copyfile(made, folder / "simulation-survival.png")
    elif part == "viewers" and language == "en":
        viewers.take(folder, home / "growth", sorted((home / "growth/images").iterdir())[1].name)
    elif part == "page":
        page.take(folder, language)


if __name__ == "__main__":
    main()
