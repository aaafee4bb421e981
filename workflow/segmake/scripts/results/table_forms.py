"""In which form a script wrote a table: encoding, separator, decimal sign, names of columns and rows.

A table is only taken for what it surely is: each line has to have as many values as the first one. What is not clear is
told, and not joined: a table that is cut or shifted would be worse than none.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile, islice, pairwise, takewhile
from pathlib import Path
from typing import Literal, TextIO

from segmake.core.files import readable
from segmake.messages import say

# The separator is chosen by so many lines; all others are held against it.
_LINES = 200

# Excel's way to say the separator, on a line before the table.
_SAYS_SEPARATOR = re.compile(r'"?sep=(?P<separator>[^"\n\r]?)"?\s*', re.I)

# By so many bytes it is seen whether a file is a text.
_BEGIN = 4096

_NUMBER = re.compile(
    r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf|infinity)", re.I
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
# A number as it is written by hand, and not by a program that writes numbers.
_PLAIN = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d{1,4})?")
_MISSING = ("", "NA", "NaN", "nan", "NULL", "Inf", "-Inf")
# What people and programs write where a number is missing, too.
_NO_VALUE = ("n/a", "n.a.", "none", "null", "-", "--", "?", "#n/a", "#div/0!", "true", "false")


class NoTable(ValueError):
    """A file is no table of which it can be told what stands where; its text says why."""


@dataclass(frozen=True)
class Form:
    """How a table is written.

    Attributes
    ----------
    encoding : str
    separator : str
    header : list of str
        Its first line.
    first : {"names", "numbers", "unclear"}
        What that line holds: names of columns, numbers, or either of both.
    named_rows : bool
        Whether each row begins with a name, for which the first line has none, as R writes it.
    numeric : list of bool
        For each column, whether all of its values are numbers; empty where that was not looked at.
    decimal_commas : {"yes", "no", "unclear"}
        Whether numbers have a comma before their decimals; unclear where it may as well stand between thousands.
    """

    encoding: str
    separator: str
    header: list[str]
    first: Literal["names", "numbers", "unclear"] = "names"
    named_rows: bool = False
    numeric: list[bool] = field(default_factory=list)
    decimal_commas: Literal["yes", "no", "unclear"] = "no"

    @property
    def columns(self) -> list[str]:
        """The names of its columns; where it has none, their numbers."""
        if self.first != "names":
            return [f"column_{place}" for place in range(1, len(self.header) + 1)]
        return ["", *self.header] if self.named_rows else self.header


def form_of(path: Path) -> Form:
    """Return how a table is written.

    Raises
    ------
    NoTable
        If that is not clear.
    OSError, csv.Error
        If it can't be read.
    """
    encoding = encoding_of(path)
    with _opened(path, encoding) as lines:
        sample = list(islice(lines, _LINES))
    said = _said_separator(path, encoding)
    rows = {each: _sampled(sample, each) for each in (*",;\t ", *said)}
    if said and rows[said] and len(rows[said][0]) > 1:
        separator, named = said, _widths(rows[said]) == {len(rows[said][0]) + 1}
    else:
        quoted = [line.startswith('"') for line in sample if line.strip()]
        separator, named = _separator(rows, quoted)
    first = _first(rows[separator])
    header = rows[separator][0] if rows[separator] else []
    return _checked(path, Form(encoding, separator, header, first, named))


def _sampled(sample: list[str], separator: str) -> list[list[str]]:
    """Return the first rows of a table, if this is its separator."""
    try:
        rows = list(_split(sample, separator))
    except csv.Error:
        if separator == ",":
            raise
        return [[]]
    if rows and separator == " " and rows[0][0] == "#":
        # As numpy.savetxt writes a header.
        rows[0].pop(0)
    # The last one may go on.
    return rows[:-1] if len(sample) == _LINES else rows


def rows_of(path: Path, form: Form) -> Iterator[list[str]]:
    """Yield the rows of a table, without the one that has the names of its columns."""
    with _opened(path, form.encoding) as lines:
        rows = _split(lines, form.separator)
        if form.first == "names":
            next(rows, None)
        yield from rows


def encoding_of(path: Path) -> str:
    """Return the encoding of a text: Unicode, or what Windows used before.

    Raises
    ------
    NoTable
        If it is no text.
    """
    with path.open("rb") as file:
        begin = file.read(_BEGIN)
    for mark, encoding in (
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if begin.startswith(mark):
            return encoding
    if b"\0" in begin:
        zeros = [begin[start::2].count(0) > len(begin) // 5 for start in (0, 1)]
        if zeros[0] == zeros[1]:
            raise NoTable(say("step.not_joined.no_text"))
        return "utf-16-be" if zeros[0] else "utf-16-le"
    if len(begin) < _BEGIN and begin.isascii():
        return "utf-8-sig"
    valid, odd = _count_of_letters(path)
    # Names of files that are no UTF-8 may stand in a table that is.
    return "utf-8-sig" if valid or not odd else _before_unicode(path)


def _count_of_letters(path: Path) -> tuple[int, int]:
    """Return how many signs beyond ASCII a UTF-8 text has, and how many bytes that are none."""
    valid = odd = 0
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as text:
        while part := text.read(1 << 20):
            if not part.isascii():
                escaped = sum("\udc80" <= sign <= "\udcff" for sign in part)
                odd += escaped
                valid += sum(sign > "\x7f" for sign in part) - escaped
    return valid, odd


def _before_unicode(path: Path) -> str:
    try:
        with path.open(encoding="cp1252") as text:
            while text.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _said_separator(path: Path, encoding: str) -> str:
    """Return the separator that the line before a table names; empty without such a line."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as lines:
        said = _SAYS_SEPARATOR.fullmatch(lines.readline(_BEGIN))
    return said["separator"] if said else ""


def _opened(path: Path, encoding: str) -> TextIO:
    lines = path.open(encoding=encoding, errors="surrogateescape", newline="")
    if not _SAYS_SEPARATOR.fullmatch(lines.readline(_BEGIN)):
        lines.seek(0)
    return lines


def _split(
    lines: Sequence[str] | TextIO, separator: str, *, empty: bool = False
) -> Iterator[list[str]]:
    """Yield the values of each line that has any, or of the empty ones, too."""
    blank = separator == " "
    for row in csv.reader(lines, delimiter=separator, skipinitialspace=blank):
        if blank and row and not row[-1]:
            row.pop()
        if row or empty:
            yield row


def _separator(rows: dict[str, list[list[str]]], quoted: list[bool]) -> tuple[str, bool]:
    """Return the separator of a table, and whether its rows have names for which the first line has none.

    Parameters
    ----------
    rows : dict
        The rows for each separator.
    quoted : list of bool
        Whether each line begins with a quote.
    """
    if not rows[","]:
        return ",", False
    even = [each for each in ",;\t" if _widths(rows[each]) == {len(rows[each][0])} != {1}]
    if "," in even and ";" in even and _has_decimal_commas(rows[";"]):
        return ";", False
    if even:
        return even[0], False
    for each in ";\t,":
        if _widths(rows[each]) == {len(rows[each][0]) + 1} and _are_names(rows[each], quoted, each):
            return each, True
    if quoted[0] and _widths(rows[";"]) == {1} and _has_decimal_commas(rows[";"], of_numbers=True):
        # R has quotes around the names of rows, where it has them around those of columns.
        return ";", False
    # With too many or too few values in a line, it is the separator all the same.
    ragged = [each for each in ";\t" if all(len(row) > 1 for row in rows[each])]
    if ragged and len(rows[","][0]) == 1:
        return ragged[0], False
    return _blank_separator(rows[" "], quoted) or (",", False)


def _widths(rows: list[list[str]]) -> set[int]:
    """Return how many values the lines after the first one have; of a first line alone, its own number."""
    return {len(row) for row in rows[1:]} or {len(rows[0])}


def _has_decimal_commas(rows: list[list[str]], *, of_numbers: bool = False) -> bool:
    """Whether each line has numbers with a decimal comma; or whether there are some, among numbers alone."""
    body = rows[1:]
    if of_numbers:
        values = [value for row in body for value in row]
        return all(map(_is_number, values)) and any(map(_is_decimal_comma, values))
    return bool(body) and all(any(map(_is_decimal_comma, row)) for row in body)


def _is_decimal_comma(text: str) -> bool:
    return _DECIMAL_COMMA.fullmatch(text.strip()) is not None


def _are_names(rows: list[list[str]], quoted: list[bool], separator: str) -> bool:
    """Whether the first value of each row is its name, and the first line has the names of all other columns."""
    names = [row[0] for row in rows[1:]]
    if len(set(names)) < len(names) or _is_title(rows):
        return False
    if all(quoted[1:]):
        return True
    # Without quotes, a number and its decimals look like a name and a value.
    if separator != "," and len(rows[0]) > 1:
        return not all(map(_is_number, rows[0]))
    return _are_counted(names) and len(names) > 2


def _are_counted(names: list[str]) -> bool:
    return names == [str(number) for number in range(1, len(names) + 1)]


def _is_title(rows: list[list[str]]) -> bool:
    """Whether the first line is a title, and the second one has the names of columns."""
    second, others = rows[1], rows[2:]
    return any(
        not _is_number(name) and others and all(_is_number(row[place]) for row in others)
        for place, name in enumerate(second[1:], start=1)
    )


def _blank_separator(rows: list[list[str]], quoted: list[bool]) -> tuple[str, bool] | None:
    """Return blanks as a separator, where they are surely none within a text."""
    head, body = rows[0], rows[1:]
    widths = {len(row) for row in body}
    named = widths == {len(head) + 1}
    if not body or len(head) + named < 2 or not (named or widths == {len(head)}):
        return None
    numbers = all(_is_number(value) or value in _MISSING for row in body for value in row[named:])
    if not named:
        return (" ", False) if numbers or quoted[0] else None
    counted = _are_counted([row[0] for row in body])
    sure = all(quoted) or (numbers and (counted or len(head) > 1))
    return (" ", True) if sure and not _is_title(rows) else None


def _is_number(text: str) -> bool:
    text = text.strip()
    return bool(_NUMBER.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text))


def _first(rows: list[list[str]]) -> Literal["names", "numbers", "unclear"]:
    """Return what the first line of a table holds, by itself and by what follows."""
    header, body = rows[0] if rows else [], [value for row in rows[1:] for value in row]
    if not header or not all(map(_is_number, header)):
        return "names"
    if not all(_is_number(value) or value in _MISSING for value in body):
        return "names"
    plain = [value.strip() for value in header if _PLAIN.fullmatch(value.strip())]
    if len(plain) < len(header):
        return "numbers"
    if body and not any("." in value for value in header) and all("." in value for value in body):
        # Such as wavelengths, above what was measured at each.
        return "names" if _rises(plain) else "numbers"
    # pandas calls a column without a name 0.
    return "unclear" if not body or header == ["0"] or _rises(plain) else "numbers"


def _rises(numbers: list[str]) -> bool:
    """Whether numbers may be names of columns: each is larger than the one before it."""
    return len(numbers) > 1 and all(float(a) < float(b) for a, b in pairwise(numbers))


def _checked(path: Path, form: Form) -> Form:
    """Return the form with what all lines say; raise `NoTable` if one has more values than it may have."""
    width = len(form.header) + form.named_rows
    commas = form.separator == ","
    kinds = [_Kinds() for _ in range(width)]
    checked = replace(form, first="numbers") if form.first != "names" else form
    for line, row in enumerate(rows_of(path, checked), start=1 + (form.first == "names")):
        more, fewer = [value for value in row[width:] if value], len(row) < width
        # The last ones may be left out, and a separator may end a line.
        if more or (fewer and (not commas or form.named_rows)):
            numbers = {"line": line, "found": len(row), "expected": width}
            raise NoTable(say("step.not_joined.ragged", **numbers))
        if not commas:
            for kind, value in zip(kinds, row, strict=False):
                kind.add(value.strip())
    if other := _other_block(path, checked, width):
        raise NoTable(say("step.not_joined.block", begin=readable(other)))
    if commas:
        return form
    # One that has decimal points has no decimal commas.
    decimal = any(kind.commas for kind in kinds) and not any(kind.points for kind in kinds)
    sure = any(kind.sure for kind in kinds)
    numeric = [not kind.other for kind in kinds]
    answer: Literal["yes", "unclear"] = "yes" if sure else "unclear"
    return replace(form, numeric=numeric, decimal_commas=answer if decimal else "no")


def _other_block(path: Path, form: Form, width: int) -> str:
    """Return how a block below an empty line begins that is no more of the table, such as means; empty if none is."""
    with _opened(path, form.encoding) as lines:
        rows = dropwhile(lambda row: not row, _split(lines, form.separator, empty=True))
        names = next(rows, []) if form.first == "names" else []
        above = sum(1 for _ in takewhile(any, rows))
        kinds: list[_Kinds] = []
        for row in filter(any, rows):
            kinds = kinds or _kinds_of(islice(rows_of(path, form), above), width)
            if row == names or _is_other(row, kinds):
                return form.separator.join(row)
    return ""


def _kinds_of(rows: Iterator[list[str]], width: int) -> list[_Kinds]:
    kinds = [_Kinds() for _ in range(width)]
    for row in rows:
        for kind, value in zip(kinds, row, strict=False):
            kind.add(value.strip())
    return kinds


def _is_other(row: list[str], kinds: list[_Kinds]) -> bool:
    """Whether a row has a single word alone, or words where the rows of its table have numbers."""
    if len(kinds) > 1 and (len(row) == 1 or not (any(row[1:]) or _is_number(row[0]))):
        return True
    pairs = zip(kinds, row, strict=False)
    return any(kind.is_of_numbers and not _is_value(value) for kind, value in pairs)


def _is_value(text: str) -> bool:
    """Whether it may stand in a column of numbers."""
    text = text.strip()
    return _is_number(text) or text in _MISSING or text.lower() in _NO_VALUE


@dataclass
class _Kinds:
    """What kinds of values a column has."""

    commas: bool = False
    points: bool = False
    other: bool = False
    sure: bool = False
    numbers: bool = False

    @property
    def is_of_numbers(self) -> bool:
        """Whether there are numbers, and no words."""
        return self.numbers and not self.other

    def add(self, value: str) -> None:
        if value in _MISSING:
            return
        if _DECIMAL_COMMA.fullmatch(value):
            self.commas = self.numbers = True
            self.sure = self.sure or not _THOUSANDS.fullmatch(value)
        elif _NUMBER.fullmatch(value):
            self.numbers = True
            self.points = self.points or "." in value
        else:
            self.other = True
