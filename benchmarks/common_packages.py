"""Whether the packages that most people want can be had together, for each Python and each driver.

    python benchmarks/common_packages.py                     resolves all: about five minutes
    python benchmarks/common_packages.py --install           makes those whose Python is here, one after the other, too

Writes docs/reference/common-packages.tsv, from which the tables in docs/reference/common-packages*.md are made. What
was not installed is marked: a row of an earlier run is kept while its versions are the same. A Python is here if it
is on the PATH. An environment takes up to 9 GB of disk while it is tried, and is deleted then. GPUs are hidden from
it: what is tried is whether the packages can be imported together.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import uv

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow")]

from segmake.core.files import fingerprint  # noqa: E402
from segmake.environments.solving.resolver import resolve, split  # noqa: E402
from segmake.environments.solving.solutions import Target  # noqa: E402
from segmake.environments.wanted.words import Wanted, understand  # noqa: E402
from segmake.messages import LANGUAGES, Problem, language  # noqa: E402

PACKAGES = (
    *("Cellpose", "ND2", "TiffFile", "Scikit-Image", "OpenCV", "Pandas", "Numpy", "Matplotlib"),
    *("JupyterLab", "Scikit-Learn", "Joblib", "PyTorch", "TensorFlow"),
)
PYTHONS = ("3.10", "3.11", "3.12")
DRIVERS = ("12.4", "12.2", "13.0", None, "11.4")

TABLE = ROOT / "docs" / "reference" / "common-packages.tsv"
PAGES = {
    "en": ROOT / "docs" / "reference" / "common-packages.md",
    "fr": ROOT / "docs" / "reference" / "common-packages.fr.md",
}
MARKS = (
    "<!-- Made by `python benchmarks/common_packages.py`: the table. -->",
    "<!-- The end of what was made. -->",
)
COLUMNS = (
    "python",
    "driver",
    "part",
    "versions",
    "said",
    "said in French",
    "packages",
    "imports",
    "gigabytes",
    "key",
)

WORDS = {
    "en": {
        "columns": "Python | driver for CUDA | versions | packages | size | imported | what is said",
        "driver": "not known",
        "resolved": "not installed, resolved only",
        "size": "{} GB",
        "point": ".",
        "behind": "{} {} in place of {}: {}",
        "between": "; ",
        "problem": "{}: {}",
    },
    "fr": {
        "columns": "Python | pilote pour CUDA | versions | paquets | taille | importés | ce qui est dit",
        "driver": "inconnu",
        "resolved": "pas installé, seulement résolu",
        "all, in both orders": "tous, dans les deux ordres",
        "size": "{} Go",
        "point": ",",
        "behind": "{} {} à la place de {} : {}",
        "between": " ; ",
        "problem": "{} : {}",
    },
}

# The frameworks, each of which brings libraries that another's may get in the way of.
PAIRED = {"PyTorch": "torch", "TensorFlow": "tensorflow"}

NUMBERS = "import numpy, torch; assert torch.from_numpy(numpy.arange(3.0)).sum() == 3"


def main() -> int:
    """Resolve, install where asked to, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--install", action="store_true", help="make and try the environments, too")
    parser.add_argument("--python", default=",".join(PYTHONS), help="these only, such as 3.10,3.12")
    parser.add_argument("--driver", help="this only, such as 12.4")
    options = parser.parse_args()
    drivers = [options.driver] if options.driver else DRIVERS
    rows = {(row["python"], row["driver"], row["part"]): row for row in _kept()}
    for python in options.python.split(","):
        for driver in drivers:
            for row, pins, listed in _answers(python, driver):
                tried = any(row["key"] == one["key"] and one["imports"] for one in rows.values())
                if not tried and options.install and pins and (there := _python(python)):
                    row |= _tried(pins, listed, there)
                print(*row.values(), sep="\t", flush=True)
                rows[row["python"], row["driver"], row["part"]] = row
                _write(list(rows.values()))
    return 0


def _kept() -> list[dict[str, str]]:
    if not TABLE.exists():
        return []
    with TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _answers(
    python: str, driver: str | None
) -> Iterator[tuple[dict[str, str], dict[str, str], Sequence[Wanted]]]:
    """Yield what `_answers_in` does in English, with what is said in French beside it."""
    asked = {}
    for speech in LANGUAGES:
        os.environ["SEGMAKE_LANG"] = speech
        asked[speech] = list(_answers_in(python, driver))
    for answer, (french, *_) in zip(asked["en"], asked["fr"], strict=True):
        answer[0]["said in French"] = french["said"]
        yield answer


def _answers_in(
    python: str, driver: str | None
) -> Iterator[tuple[dict[str, str], dict[str, str], Sequence[Wanted]]]:
    """Yield a row for the environment, or for each of two; without versions where there is none."""
    wanted = [understand(words) for words in PACKAGES]
    try:
        yield _row(python, driver, "", wanted)
        return
    except Problem as problem:
        said = WORDS[language()]["problem"].format(problem.code, problem.what)
        row = dict.fromkeys(COLUMNS, "") | {"python": python, "driver": driver or "", "said": said}
        row["said"] += " " + " ".join(problem.remedy.split())
    yield row, {}, wanted
    for number, part in enumerate(split(wanted, Target(python, driver)), 1):
        yield _row(python, driver, f"{number} of 2", part)


def _row(
    python: str, driver: str | None, part: str, wanted: Sequence[Wanted]
) -> tuple[dict[str, str], dict[str, str], Sequence[Wanted]]:
    found = resolve(wanted, python, driver, "")
    versions = " ".join(f"{one.project} {found.pins[one.project]}" for one in wanted)
    words = WORDS[language()]
    behind = words["between"].join(
        words["behind"].format(one.package, one.found, one.newest, one.reason)
        for one in found.behind
    )
    row = dict.fromkeys(COLUMNS, "") | {"python": python, "driver": driver or "", "part": part}
    said = " ".join(f"{behind} {found.apart}".split())
    row |= {"versions": versions, "said": said, "packages": str(len(found.pins))}
    row["key"] = fingerprint(python, sorted(found.pins.items()))
    return row, found.pins, wanted


def _python(version: str) -> str | None:
    command = [uv.find_uv_bin(), "python", "find", "--no-python-downloads", version]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _tried(pins: dict[str, str], listed: Sequence[Wanted], python: str) -> dict[str, str]:
    """Make an environment, import everything in both orders, and say what came of it."""
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        place = Path(folder, "environment")
        quiet = {"check": True, "capture_output": True}
        subprocess.run([uv.find_uv_bin(), "venv", "-q", "--python", python, str(place)], **quiet)
        lines = "\n".join(f"{name}=={version}" for name, version in pins.items())
        # What comes from elsewhere than PyPI is not what users get.
        install = [uv.find_uv_bin(), "pip", "install", "-q", "--no-deps", "-r", "-"]
        subprocess.run(
            [*install, "--python", str(place / "bin" / "python")], input=lines.encode(), **quiet
        )
        size = _size(place)
        failed = [words for words, code in _trials(listed, pins) if not _runs(place, code)]
        shutil.rmtree(place)
    imports = "all, in both orders" if not failed else f"fails: {', '.join(failed)}"
    return {"imports": imports, "gigabytes": f"{size / 1e9:.1f}"}


def _trials(listed: Sequence[Wanted], pins: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what is tried, in words and as code."""
    modules = [one.imported for one in listed]
    yield "all in this order", "\n".join(f"import {module}" for module in modules)
    yield "all in the other order", "\n".join(f"import {module}" for module in modules[::-1])
    there = [module for module in PAIRED.values() if module in modules]
    for pair in permutations(there, 2):
        # The second one is used, too: some of it is loaded only then.
        yield (
            f"{pair[0]}, then {pair[1]}",
            "\n".join([*(f"import {one}" for one in pair), *_use(pair)]),
        )
    if "torch" in modules:
        yield "torch.from_numpy", NUMBERS
        if "triton" in pins:
            yield "torch, then triton", "import torch, triton"
        if "tensorflow" in modules and "triton" in pins:
            yield "tensorflow, then triton", "import tensorflow, triton"


def _use(modules: Sequence[str]) -> list[str]:
    uses = {
        "torch": "torch.optim.Adam([torch.nn.Parameter(torch.ones(2))])",
        "tensorflow": "tensorflow.constant([1.0]) + 1",
    }
    return [uses[module] for module in modules]


def _runs(place: Path, code: str) -> bool:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "agg"}
    answer = subprocess.run(
        [str(place / "bin" / "python"), "-I", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        print(f"{code!r} ended with {answer.returncode}:", answer.stderr[-2000:], file=sys.stderr)
    return answer.returncode == 0


def _size(place: Path) -> int:
    """Return the bytes that the files of a folder take."""
    return sum(path.lstat().st_blocks * 512 for path in place.rglob("*"))


def _write(rows: list[dict[str, str]]) -> None:
    # The same versions are the same environment.
    tried = {row["key"]: row for row in rows if row["imports"]}
    for row in rows:
        if same := tried.get(row["key"]):
            row |= {name: same[name] for name in ("imports", "gigabytes")}
    order = {python: number for number, python in enumerate(PYTHONS)}
    rows.sort(key=lambda r: (order[r["python"]], float(r["driver"] or 99), r["part"]))
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for speech, page in PAGES.items():
        text = page.read_text(encoding="utf-8")
        before, rest = text.split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        made = "\n".join(_page(rows, speech))
        page.write_text(f"{before}{MARKS[0]}\n\n{made}\n\n{MARKS[1]}{after}", encoding="utf-8")


def _page(rows: list[dict[str, str]], speech: str) -> Iterator[str]:
    """Yield the lines of the table, in a language."""
    words = WORDS[speech]
    yield f"| {words['columns']} |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        driver = row["driver"] or words["driver"]
        driver += f" ({row['part']})" if row["part"] else ""
        imported = words.get(row["imports"], row["imports"])
        if row["packages"] and not imported:
            imported = words["resolved"]
        gigabytes = row["gigabytes"].replace(".", words["point"])
        size = words["size"].format(gigabytes) if gigabytes else ""
        said = row["said" if speech == "en" else "said in French"]
        cells = (
            row["python"],
            driver,
            row["versions"],
            row["packages"],
            size,
            imported,
            # The lines of the config are code.
            re.sub(r"packages: \[[^\]]*\]", r"`\g<0>`", said),
        )
        yield "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
