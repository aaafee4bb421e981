"""LibreOffice, as someone opens tables with it whose computer is set to a language; it is one of Debian's packages."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tests.programs import program

_LOCALE = """\
<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Setup/L10N">
<prop oor:name="ooSetupSystemLocale" oor:op="fuse"><value>{locale}</value></prop>
</item>
</oor:items>
"""
# What the window asks for: comma, quotation mark, UTF-8, from the first line on, and English (USA) as the language.
AS_ASKED_FOR = "Text - txt - csv (StarCalc):44,34,76,1,,1033"

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"

# As LibreOffice has the truth values of an XLSX.
_TRUTH = {"of:=TRUE()": ("boolean", "true"), "of:=FALSE()": ("boolean", "false")}

# What a cell is, and holds.
Cell = tuple[str, str]


def opened(folder: Path, locale: str, *files: Path, form: str = "") -> dict[str, list[list[Cell]]]:
    """Open tables in LibreOffice, and return the rows that it has of the first sheet of each.

    Parameters
    ----------
    folder : Path
        What it writes lies here.
    locale : str
        Such as ``fr-FR``.
    *files : Path
    form : str
        What the window for text files would be told.
    """
    office = program("soffice", "libreoffice-calc-nogui")
    profile = folder / f"settings {locale}"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    settings = profile / "user" / "registrymodifications.xcu"
    settings.write_text(_LOCALE.format(locale=locale), encoding="utf-8")
    made = folder / f"opened {locale}"
    words = [office, f"-env:UserInstallation={profile.absolute().as_uri()}", "--headless"]
    words += [f"--infilter={form}"] if form else []
    words += ["--convert-to", "fods", "--outdir", str(made), *map(str, files)]
    subprocess.run(words, check=True, capture_output=True)
    found = {}
    for file in files:
        text = made / f"{file.stem}.fods"
        found[file.name] = list(_rows(ElementTree.parse(text).getroot()))
        text.unlink()
    return found


def _rows(document: ElementTree.Element) -> Iterator[list[Cell]]:
    sheet = next(document.iter(f"{_TABLE}table"))
    for row in sheet.iter(f"{_TABLE}table-row"):
        cells: list[Cell] = []
        for cell in row.iter(f"{_TABLE}table-cell"):
            kind = cell.get(f"{_OFFICE}value-type", "empty")
            value = "\n".join("".join(line.itertext()) for line in cell)
            value = cell.get(f"{_OFFICE}value") or value
            if formula := cell.get(f"{_TABLE}formula"):
                kind, value = _TRUTH.get(formula, ("formula", formula))
            cells += [(kind, value)] * int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
        yield cells
