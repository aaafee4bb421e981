"""The pages that lead from a new experiment to an update: typed word for word, as a new user does, on the cluster."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.projects import ROOT

# What the pages call the installation.
PLACES = {"en": "/data/tools/segmake", "fr": "/data/outils/segmake"}
NAMES = {"en": "experiments.md", "fr": "experiments.fr.md"}

# Jobs of this cluster do not get what the defaults ask for on a real one.
SMALL = {"memory_gb": "1", "cpus": "1"}


def blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of each block of code of a page, in their order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def edited(config: str, lines: str) -> str:
    """Return a config with the lines of a block in place of those of the same settings, as somebody who edits it."""
    for line in lines.splitlines()[1:]:
        key = line.strip().lstrip("#").partition(":")[0]
        config, number = re.subn(rf"^  #?{key}: .*$", line, config, count=1, flags=re.MULTILINE)
        assert number == 1, f"there is no line {key} to edit"
    return config


class Terminal:
    """A shell that goes on from one block to the next, in the folder in which the last one ended."""

    def __init__(self, home: Path, language: str) -> None:
        self.folder = home
        names = ("PATH", "TMPDIR")
        self._environment = {name: os.environ[name] for name in names if name in os.environ} | {
            "HOME": str(home),
            "SHELL": "/bin/bash",
            "LANG": {"en": "C.UTF-8", "fr": "fr_FR.UTF-8"}[language],
        }
        self._note = home / "environment.txt"

    def type(self, lines: str) -> subprocess.CompletedProcess[str]:
        """Type the lines of a block; what they set holds for the next one, too."""
        done = subprocess.run(
            ["bash", "-c", f'{lines}\ncode=$?\npwd; env -0 >"{self._note}"; exit $code'],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.folder = Path(done.stdout.splitlines()[-1])
        pairs = self._note.read_text(encoding="utf-8").split("\0")
        self._environment = dict(pair.split("=", 1) for pair in pairs if pair)
        return done


# The French page comes first; the English one says the same.
@pytest.mark.parametrize("language", ["fr", pytest.param("en", marks=pytest.mark.long)])
def test_the_page_on_experiments_runs_word_for_word(
    slurm: None, tmp_path: Path, language: str
) -> None:
    page = (ROOT / "docs" / "how-to" / NAMES[language]).read_text(encoding="utf-8")
    page = page.replace(PLACES[language], str(ROOT))
    terminal = Terminal(tmp_path, language)
    said: list[str] = []
    for kind, text in blocks(page):
        if kind == "text":
            continue  # what is shown; tests/docs looks at it
        if kind == "yaml":
            config = terminal.folder / "config" / "config.yaml"
            written = edited(config.read_text(encoding="utf-8"), text)
            small = "".join(f"  {key}: {value}\n" for key, value in SMALL.items())
            config.write_text(edited(written, f"cluster:\n{small}"), encoding="utf-8")
            continue
        # Only the activation of this installation is not typed: it may be conda's.
        if text.startswith("source "):
            text = f'export PATH="{ROOT}/.environments/main/bin:$PATH"\n'
        done = terminal.type(text)
        said.append(done.stdout + done.stderr)
        # A run one of whose images can't be read ends with an error, so that nobody overlooks it.
        failed_image = "broken_copy.tif" in done.stderr
        assert done.returncode == int(failed_image), f"{text}\n{said[-1]}"
    whole = "\n".join(said)
    results = tmp_path / {"en": "growth", "fr": "croissance"}[language] / "results"
    assert (results / "report.html").exists()
    assert len(list((results / "masks").rglob("*.tif"))) == 12
    nothing = {"en": "nothing to compute", "fr": "rien à calculer"}[language]
    assert nothing in whole, whole
    assert whole.count("broken_copy.tif") and "Traceback" not in whole
