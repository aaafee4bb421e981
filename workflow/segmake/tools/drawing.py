"""Draws the layers of the package, and which folder imports which: ``docs/developers/architecture.svg``.

After a folder, an import between folders or the first sentence of a folder was changed:
``python -m segmake.tools.drawing``. The layers are those of ``pyproject.toml``, the imports are counted in the code.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable
from html import escape
from pathlib import Path

import grimp

from segmake.core import installation
from segmake.core.files import write_atomically

ROOT = installation.home()
DRAWING = ROOT / "docs" / "developers" / "architecture.svg"
COMMAND = "python -m segmake.tools.drawing"

PACKAGE = "segmake"

# A first sentence of so many letters fits into its box.
LONGEST_SENTENCE = 72

# All in pixels.
_MARGIN, _HEAD, _ROW, _COLUMN = 16, 74, 40, 17
_BOX_WIDTH, _BOX_HEIGHT = 424, 34
_DOTS = _MARGIN + _BOX_WIDTH + 26

# Fill and line: of folders that are parts of one subject, and of all others.
_COLOURS = {"environments": ("#fbf3e4", "#b98a3a"), "scripts": ("#ecf5ec", "#5d9160")}
_COLOUR = ("#eef2f8", "#6580a8")

_STYLE = """\
text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 }
.name { font-size: 13px; font-weight: 600 }
.words, .lines, .legend { font-size: 11px; fill: #57606a }
.legend { font-size: 12px }
.lines { text-anchor: end }
path { fill: none; stroke-width: 1.2 }"""


def layers() -> list[str]:
    """Return the folders that are layers, from top to bottom, as ``pyproject.toml`` has them: ``scripts.source``."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = table["tool"]["importlinter"]["contracts"]
    [names] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    return [name.removeprefix(f"{PACKAGE}.") for name in names]


def layer_of(module: str, names: Iterable[str]) -> str | None:
    """Return the layer that a module belongs to; None if it belongs to none."""
    return next((name for name in names if f"{module}.".startswith(f"{PACKAGE}.{name}.")), None)


def imports() -> list[tuple[str, str]]:
    """Return which layer imports which directly, from top to bottom."""
    names = layers()
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found = {
        (layer_of(module, names), layer_of(imported, names))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return [
        (one, other) for one in names for other in names if one != other and (one, other) in found
    ]


def first_sentence(name: str) -> str:
    """Return what a folder is for, as its docstring says first."""
    tree = ast.parse((_folder(name) / "__init__.py").read_text(encoding="utf-8"))
    paragraph = (ast.get_docstring(tree) or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("`", "").removesuffix(".")


def size(name: str) -> str:
    """Return about how many lines of Python a folder has: exact ones would change the drawing with every commit."""
    files = _folder(name).rglob("*.py")
    number = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    step = 500 if number >= 1000 else 100
    return f"{max(1, round(number / step)) * step:,} lines"


def drawing() -> str:
    """Return the drawing: a box for each folder in its layer's height, and a dot for each import, as SVG."""
    names = layers()
    width = _DOTS + len(names) * _COLUMN + _MARGIN
    height = _HEAD + len(names) * _ROW + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}">',
            f"<!-- Made by `{COMMAND}` -->",
            f"<title>The layers of {PACKAGE}</title>",
            f"<style>\n{_STYLE}\n</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
            f'<text class="title" x="{_MARGIN}" y="32">The layers of {PACKAGE}</text>',
            f'<text class="legend" x="{_MARGIN}" y="54">Each folder may import those below it. A dot in its row is '
            "such an import: follow it down and to the left.</text>",
            *_arrows(names),
            *(line for row, name in enumerate(names) for line in _box(row, name)),
            "</svg>\n",
        ]
    )


def _box(row: int, name: str) -> list[str]:
    fill, line = _colours(name)
    top, right = _HEAD + row * _ROW, _MARGIN + _BOX_WIDTH
    return [
        f'<rect x="{_MARGIN}" y="{top}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5" fill="{fill}" '
        f'stroke="{line}"/>',
        f'<text class="name" x="{_MARGIN + 10}" y="{top + 14}">{escape(name)}</text>',
        f'<text class="lines" x="{right - 10}" y="{top + 14}">{size(name)}</text>',
        f'<text class="words" x="{_MARGIN + 10}" y="{top + 28}">{escape(first_sentence(name))}</text>',
    ]


def _arrows(names: list[str]) -> list[str]:
    """Return a line for each folder, which comes down from those that import it and goes left to its box."""
    found = imports()
    drawn = []
    for row, name in enumerate(names):
        _, colour = _colours(name)
        importers = [names.index(one) for one, other in found if other == name]
        imported = [names.index(other) for one, other in found if one == name]
        if imported:
            start = _x(row) if importers else _MARGIN + _BOX_WIDTH
            drawn.append(f'<path d="M{start} {_y(row)}H{_x(max(imported))}" stroke="#e4e7eb"/>')
        if importers:
            head = _MARGIN + _BOX_WIDTH + 1
            drawn.append(
                f'<path d="M{_x(row)} {_y(min(importers))}V{_y(row) - 6}q0 6 -6 6H{head}'
                f'm6 -4l-6 4l6 4" stroke="{colour}"/>'
            )
    for one, other in found:
        x, y = _x(names.index(other)), _y(names.index(one))
        drawn.append(
            f'<circle cx="{x}" cy="{y}" r="3.2" fill="{_colours(other)[1]}">'
            f"<title>{escape(one)} imports {escape(other)}</title></circle>"
        )
    return drawn


def _x(row: int) -> int:
    """Return where the line of the folder in a row comes down."""
    return _DOTS + row * _COLUMN


def _y(row: int) -> int:
    return _HEAD + row * _ROW + _BOX_HEIGHT // 2


def _colours(name: str) -> tuple[str, str]:
    return _COLOURS.get(name.partition(".")[0], _COLOUR)


def _folder(name: str) -> Path:
    return installation.PACKAGE.joinpath(*name.split("."))


def write_drawing(file: Path = DRAWING) -> None:
    """Write the drawing."""
    with write_atomically(file) as part:
        part.write_text(drawing(), encoding="utf-8")


if __name__ == "__main__":
    write_drawing()
    print(DRAWING.relative_to(ROOT))
