"""Joins the tables that the runs of a script made: one below the other."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segmake.core.files import readable, write_atomically
from segmake.core.formulas import without_formula
from segmake.messages import say
from segmake.scripts.results.table_forms import Form, form_of, rows_of

# So many of the runs are named whose tables have other columns than the others.
NAMED = 3

# What goes before each row of a table, and the table.
Part = tuple[dict[str, str], Path]


def join(parts: Sequence[Part], joined: Path, tell: Callable[[str], None]) -> bool:
    """Write tables of a script one below the other, each row behind what its table is called, if there are any.

    Values stay as they are written, but for decimal commas of numbers, which become points. The name of an image is
    written as in ``cells.csv``, so that no spreadsheet computes it and both tables go together by it.

    Parameters
    ----------
    parts : sequence
        What goes before each row, and the table.
    joined : Path
    tell : callable
        Takes a line about each table that is left out, and about those that do not go together.

    Returns
    -------
    bool
        Whether any of them could be joined.
    """
    forms: dict[Path, Form] = {}
    for _, path in parts:
        try:
            forms[path] = form_of(path)
        except (OSError, ValueError, csv.Error) as error:
            tell(say("step.not_joined", table=readable(str(path)), error=error))
    for path, form in _settled(forms).items():
        if form is None:
            reason = say("step.not_joined.unclear")
            tell(say("step.not_joined", table=readable(str(path)), error=reason))
            del forms[path]
        else:
            forms[path] = form
    kept = [(first, path) for first, path in parts if path in forms]
    if not kept:
        return False
    _tell_of_other_columns(kept, forms, joined.name, tell)
    columns = _numeric_columns(forms.values())
    decimal = _settled_commas(kept, forms, columns, joined.name, tell)

    def rows(path: Path) -> Iterator[list[str]]:
        form = forms[path]
        commas = [name in columns for name in form.columns] if path in decimal else []
        for row in rows_of(path, form):
            yield [_with_point(*pair) for pair in zip(row, commas, strict=False)] if commas else row

    safe = [(_without_formulas(first), path, forms[path].columns) for first, path in kept]
    write_joined(safe, joined, rows)
    return True


def join_own(parts: Sequence[Part], joined: Path, tell: Callable[[str], None]) -> None:
    """Write tables of SegMake's own one below the other."""
    headers: dict[Path, list[str]] = {}

    def rows(path: Path) -> Iterator[list[str]]:
        return rows_of(path, Form("utf-8-sig", ",", headers[path]))

    for _, path in parts:
        try:
            headers[path] = next(rows_of(path, Form("utf-8-sig", ",", [], "numbers")), [])
        except (OSError, ValueError, csv.Error) as error:
            tell(say("step.not_joined", table=readable(str(path)), error=error))
    kept = [(first, path, headers[path]) for first, path in parts if path in headers]
    write_joined(kept, joined, rows)


def write_joined(
    parts: Sequence[tuple[dict[str, str], Path, list[str]]],
    joined: Path,
    rows: Callable[[Path], Iterator[list[str]]],
) -> None:
    """Write the rows of tables one below the other.

    Parameters
    ----------
    parts : sequence
        What goes before each row, the table, and the names of its columns.
    joined : Path
    rows : callable
        From a table to its rows.
    """
    named = [(first, path, _own_names(header, first)) for first, path, header in parts]
    columns: dict[str, None] = {}
    for first, _, header in named:
        columns |= dict.fromkeys([*first, *header])
    with write_atomically(joined) as part:
        with part.open("w", encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            writer = csv.DictWriter(lines, list(columns), restval="")
            writer.writeheader()
            for first, path, header in named:
                for row in rows(path):
                    # Beyond the last column there is nothing but separators.
                    writer.writerow({**dict(zip(header, row, strict=False)), **first})


def _without_formulas(first: dict[str, str]) -> dict[str, str]:
    named = {"image": without_formula(first["image"])} if "image" in first else {}
    return {**first, **named}


def _settled(forms: Mapping[Path, Form]) -> dict[Path, Form | None]:
    """Return the tables whose first line may hold names or numbers, with what it is by the others; None: not clear."""
    unclear = {path: form for path, form in forms.items() if form.first == "unclear"}
    heads = {tuple(form.header) for form in unclear.values()}
    numbers = len(heads) > 1 or any(form.first == "numbers" for form in forms.values())
    settled: dict[Path, Form | None] = {}
    for path, form in unclear.items():
        # As pandas numbers columns that have no names.
        counted = form.header == [str(place) for place in range(len(form.header))]
        names = counted or any(
            f.first == "names" and f.header == form.header for f in forms.values()
        )
        settled[path] = replace(form, first="numbers" if numbers else "names")
        if not numbers and not names:
            settled[path] = None
    return settled


def _tell_of_other_columns(
    parts: Sequence[Part], forms: Mapping[Path, Form], table: str, tell: Callable[[str], None]
) -> None:
    """Say which tables have other columns than most, and whether they have one in common at all."""
    columns = {path: frozenset(forms[path].columns) for _, path in parts if forms[path].columns}
    if len(set(columns.values())) < 2:
        return
    (usual, _), *_ = Counter(columns.values()).most_common(1)
    odd = [", ".join(first.values()) for first, path in parts if columns.get(path, usual) != usual]
    common = frozenset.intersection(*columns.values()) - {""}
    words = "step.other_columns" if common else "step.no_common_column"
    tell(say(words, table=table, number=len(odd), of=len(columns), names=_some(odd)))


def _settled_commas(
    parts: Sequence[Part],
    forms: Mapping[Path, Form],
    columns: set[str],
    table: str,
    tell: Callable[[str], None],
) -> set[Path]:
    """Return the tables with decimal commas; say of which it is not clear, as none of the others has any."""
    answers = {path: form.decimal_commas for path, form in forms.items()}
    unclear = [(first, path) for first, path in parts if answers[path] == "unclear"]
    if unclear and "yes" not in answers.values():
        names = _some(", ".join(first.values()) for first, _ in unclear)
        found = {name for _, path in unclear for name in forms[path].columns} & columns
        if found:
            numbers = {"number": len(unclear), "of": len(parts)}
            tell(say("step.thousands", table=table, names=names, **numbers))
        return set()
    return {path for path, answer in answers.items() if answer != "no"}


def _some(names: Iterable[str]) -> str:
    """Return the first of some names, readable."""
    listed = list(names)
    more = ["..."] if len(listed) > NAMED else []
    return readable(say("pieces.between").join([*listed[:NAMED], *more]))


def _numeric_columns(forms: Iterable[Form]) -> set[str]:
    """Return the columns that have decimal commas in numbers alone, in whichever table."""
    numbers: set[str] = set()
    others: set[str] = set()
    for form in forms:
        for name, numeric in zip(form.columns, form.numeric, strict=False):
            (numbers if numeric else others).add(name)
    return numbers - others


def _with_point(value: str, decimal: bool) -> str:
    return value.replace(",", ".") if decimal else value


def _own_names(header: list[str], first: dict[str, str]) -> list[str]:
    """Return the names of a table's columns, each different, and from those that are put before them."""
    names: list[str] = []
    for column in header:
        name = f"{column} (own)" if column in first else column
        while name in names:
            name += "_"
        names.append(name)
    return names
