"""Tables as scripts write them, joined or told."""

import numpy as np
import pandas as pd
import pytest

from segmake.scripts.results.joined import join

R_ROWS = '"A" "B"\n"1" 5 "x y"\n"2" 6 "z"\n'


def joined(tmp_path, *texts, tell=None):
    """Return the rows of the joined table, and what was said."""
    said: list[str] = []
    parts = []
    for number, text in enumerate(texts, start=1):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        parts.append(({"run": str(number)}, path))
    join(parts, tmp_path / "all.csv", said.append)
    return (tmp_path / "all.csv").read_text("utf-8-sig", "surrogateescape").splitlines(), said


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        # With commas, all is as it always was.
        ("a,b\n1,x\n\n2.50,\n", ["run,a,b", "1,1,x", "1,2.50,"]),
        ('"a","b;c"\r\n"1,5",2\r\n', ["run,a,b;c", '1,"1,5",2']),
        ("a,b\n1\n1,2,\n", ["run,a,b", "1,1,", "1,1,2"]),
        (",a\n0,5\n", ["run,,a", "1,0,5"]),
        ("0,1,2\n5,6,7\n", ["run,0,1,2", "1,5,6,7"]),
        ("400,410\n0.5,0.25\n", ["run,400,410", "1,0.5,0.25"]),
        ("1,2\nx,y\n", ["run,1,2", "1,x,y"]),
        ("name\nmy cell\n007\n", ["run,name", "1,my cell", "1,007"]),
        ("a,list\n1,2;3\n2,3;4\n", ["run,a,list", "1,1,2;3", "1,2,3;4"]),
        ("# a,b\n1,2\n", ["run,# a,b", "1,1,2"]),
        ("a,b\n", ["run,a,b"]),
        # R
        (R_ROWS, ["run,,A,B", "1,1,5,x y", "1,2,6,z"]),
        (R_ROWS.replace(" ", "\t").replace("x\ty", "x y"), ["run,,A,B", "1,1,5,x y", "1,2,6,z"]),
        ("A B\n1 5 6\n2 7 8\n", ["run,,A,B", "1,1,5,6", "1,2,7,8"]),
        ('"k"\n"1" 5\n', ["run,,k", "1,1,5"]),
        ('"A","B"\n"1",5,"x"\n', ["run,,A,B", "1,1,5,x"]),
        ('"";"A";"B"\n"1";1,5;"x,5"\n"2";NA;"y"\n', ["run,,A,B", '1,1,1.5,"x,5"', "1,2,NA,y"]),
        ('"A"\n1,5\n2\n', ["run,A", "1,1.5", "1,2"]),
        # Other programs
        ("Fläche;Länge\n1,5;2\n-2,25e3;3\n", ["run,Fläche,Länge", "1,1.5,2", "1,-2.25e3,3"]),
        ("a,1;b,2\n1,5;2,5\n", ['run,"a,1","b,2"', "1,1.5,2.5"]),
        ("a;b\n1.5;x,y\n", ["run,a,b", '1,1.5,"x,y"']),
        ("a;b\n1.5;2,5\n", ["run,a,b", '1,1.5,"2,5"']),
        ("a\tb\n1,5\t2\n", ["run,a,b", "1,1.5,2"]),
        ("a b\n1.5 2\n", ["run,a,b", "1,1.5,2"]),
        ("sep=;\nn;area\n1;2,5\n", ["run,n,area", "1,1,2.5"]),
        ("sep=|\na,b|c;d\n1|2\n", ['run,"a,b",c;d', "1,1,2"]),
        ("n;area\n1,234;0,512\n", ["run,n,area", "1,1.234,0.512"]),
        # Empty lines between rows, and rows without values.
        ("a,b\n1,x\n\n2,\n\nn/a,y\n\n", ["run,a,b", "1,1,x", "1,2,", "1,n/a,y"]),
        ("# t A\n0.0 5\n", ["run,t,A", "1,0.0,5"]),
        ("5.0e-01,2.0e+00\n1.0e+00,3.0e+00\n", ["run,column_1,column_2", "1,5.0e-01,2.0e+00", "1,1.0e+00,3.0e+00"]),
        ("0,5,5\n1,6,4\n", ["run,column_1,column_2,column_3", "1,0,5,5", "1,1,6,4"]),
        ("7\n8\n", ["run,column_1", "1,7", "1,8"]),
        ("2.5 2\n3 4\n", ["run,column_1,column_2", "1,2.5,2", "1,3,4"]),
    ],
)  # fmt: skip
def test_a_table_is_taken_for_what_it_is(tmp_path, text, rows):
    assert joined(tmp_path, text) == (rows, [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n1,5\n2,5\n", "line 2 has 2 values"),
        ("a,b\n1,5,2\n2,5,3\n", "line 2 has 3 values"),
        ("Results of day 1\na,b\n1,2\n3,4\n", "line 2 has 2 values"),
        ('"Results, day 1"\n"a","b"\n"1",2\n"2",4\n', "line 2 has 2 values"),
        ("a;b;c\n1;2;3\n1;2\n", "line 3 has 2 values"),
        ("a;b\n1;2\n" * 150 + "1;2;3\n", "has 3 values"),
        ("0,5,10\n1,4,12\n", "numbers alone"),
        (
            "a,b\n1,2\n\nSummary\nmean,2\n",
            "an empty line, something else than its rows begins: Summary",
        ),
        ("a,b\n1,2\n2,3\n\nmean,2.5\n", "begins: mean,2.5"),
        ("a;b\n1;2\n;\nmean;2\n", "begins: mean;2"),
        ("a,b\nx,y\n\nz,w\n\na,b\nx,y\n", "begins: a,b"),
        ("name,b\nx,2\n,\nSummary,\nmean,2\n", "begins: Summary"),
        (b"\x89PNG\0\0\1\0\0\0\0\0\0\1", "no text"),
    ],
)
def test_a_table_that_is_not_clear_is_told_and_left_out(tmp_path, text, words):
    rows, (said,) = joined(tmp_path, text, "a,b\n1,2\n")
    assert rows == ["run,a,b", "2,1,2"]
    assert words in said and "1.csv" in said


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "latin-1"]
)
def test_encodings(tmp_path, encoding):
    text = "name,µm²\nzellgröße é,1.5\n"
    assert joined(tmp_path, text.encode(encoding)) == (["run,name,µm²", "1,zellgröße é,1.5"], [])


def test_a_name_that_is_no_utf_8_stays_in_a_table_that_is(tmp_path):
    joined(tmp_path, "name,µm\n".encode() + b"a\xff,1\n")
    assert b"1,a\xff,1" in (tmp_path / "all.csv").read_bytes()


def test_commas_that_may_stand_between_thousands_are_told_and_left(tmp_path):
    rows, (said,) = joined(tmp_path, "n;area\n1;1,234\n", "n;area\n2;23,456\n")
    assert rows == ["run,n,area", '1,1,"1,234"', '2,2,"23,456"']
    assert "all.csv" in said and "thousands" in said and "2 of 2" in said
    assert joined(tmp_path, "a\tb\n1,500\t2\n")[0] == ["run,a,b", '1,"1,500",2']
    # Another table of the same script says what they are.
    found = joined(tmp_path, "n;area\n1;1,234\n", "n;area\n2;0,5\n")
    assert found == (["run,n,area", "1,1,1.234", "2,2,0.5"], [])


def test_numbers_without_names_in_all_runs(tmp_path):
    """The first lines of some may be names by themselves, and are not beside the others."""
    rows, said = joined(tmp_path, "3,9\n1,2\n", "9,3\n1,2\n", "0,1\n5,6\n")
    assert rows[0] == "run,column_1,column_2" and len(rows) == 7 and said == []
    # As many programs write the start of a simulation.
    assert len(joined(tmp_path, "0,5,10\n1,6,9\n", "0,5,11\n1,6,9\n")[0]) == 5


def test_a_column_is_a_number_in_all_tables_or_in_none(tmp_path):
    rows, _ = joined(tmp_path, "a;b\n1,5;2,5\n", "a;b\nx;3,5\n")
    assert rows == ["run,a,b", '1,"1,5",2.5', "2,x,3.5"]


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["a,b\n1,2\n", "a,b\n3,4\n", "a,c\n5,6\n"], "1 of 3 tables has other columns"),
        (["a\n1\n", "b\n2\n"], "no column in common"),
    ],
)
def test_tables_that_do_not_go_together_are_told(tmp_path, texts, words):
    rows, (said,) = joined(tmp_path, *texts)
    assert words in said and len(rows) == len(texts) + 1


@pytest.mark.parametrize(
    "options", [{}, {"sep": ";", "decimal": ","}, {"sep": "\t"}, {"index": False}]
)
def test_what_pandas_and_numpy_write_comes_back(tmp_path, options):
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"x": rng.normal(size=400), "n": rng.integers(0, 9, 400), "s": "a, b; c"})
    rows, said = joined(tmp_path, table.to_csv(**options))
    back = pd.read_csv(tmp_path / "all.csv", encoding="utf-8-sig")
    assert said == [] and len(rows) == 401
    pd.testing.assert_frame_equal(back[["x", "n", "s"]], table)
    for form in ({"fmt": "%d", "delimiter": ","}, {"delimiter": ","}, {}):
        whole = rng.integers(0, 99, (30, 2))
        np.savetxt(tmp_path / "n.csv", whole, **form)
        first = (tmp_path / "n.csv").read_bytes()
        np.savetxt(tmp_path / "n.csv", whole[::-1], **form)
        rows, said = joined(tmp_path, first, (tmp_path / "n.csv").read_bytes())
        back = pd.read_csv(tmp_path / "all.csv", encoding="utf-8-sig")
        assert (back[["column_1", "column_2"]].to_numpy() == [*whole, *whole[::-1]]).all()


def test_the_name_of_an_image_is_no_formula(tmp_path):
    """It is written as in ``cells.csv``; what a script writes itself stays as it is."""
    (tmp_path / "t.csv").write_text("n,said\n-1,=2+3\n")
    parts = [({"image": name, "dose": "-4"}, tmp_path / "t.csv") for name in ("=1+2.tif", "b.tif")]
    assert join(parts, tmp_path / "all.csv", print)
    rows = (tmp_path / "all.csv").read_text("utf-8-sig").splitlines()
    assert rows[1:] == ["'=1+2.tif,-4,-1,=2+3", "b.tif,-4,-1,=2+3"]
