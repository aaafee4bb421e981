"""The files beside a script, and the modules that it imports: read without running it, however odd they are."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from segmake.scripts.source.static import local_files, modules_of, read_source
from tests.projects import ROOT


@pytest.fixture
def folder(tmp_path) -> Path:
    files = {
        "main.py": """\
            import os
            import helpers
            import lib.fits
            from lib import curves
            import statistics
            import skimage.io
            import pandas as pd, in_house
            from compiled import f
            try:
                import fancy
            except Exception:
                import torch
            """,
        "helpers.py": "import main, lonely.part\nfrom scipy import stats\n",
        "lib/__init__.py": "from . import models\nfrom .fits import fit\n",
        "lib/fits.py": "from ..lib.deep import x\nimport helpers, lmfit\n",
        "lib/curves.py": "import seaborn",
        "lib/models.py": "",
        "lib/deep.py": "",
        "lib/unused.py": "import nowhere",
        "statistics.py": "import numpy",
        "fancy.py": "import napari",
        "skimage/notes.txt": "images",
        "compiled.cpython-311-x86_64-linux-gnu.so": "",
        "unused.py": "import unused_too",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def test_files_beside_a_script_are_followed(folder):
    names = ["lib/__init__.py", "lib/curves.py", "lib/deep.py", "lib/fits.py", "lib/models.py"]
    names += ["fancy.py", "helpers.py", "statistics.py"]
    found = local_files(folder / "main.py")
    assert found[0] == folder / "main.py"
    assert found[1:] == sorted(folder / name for name in names)


def test_files_beside_a_script_of_a_newer_python_are_followed_too(folder):
    script = folder / "main.py"
    before = local_files(script)
    text = script.read_text().replace(
        "from lib import curves", "from lib import (  # all\n    curves,\n)"
    )
    script.write_text(text + "type Pair[T] = tuple[T, T]\nprint(f'{f'{1}'}')\n")
    assert local_files(script) == before
    assert "in_house" not in modules_of(script) or sys.version_info >= (3, 12)


def test_modules_from_elsewhere_are_told_once(folder):
    expected = ["in_house", "lmfit", "lonely", "numpy", "pandas", "scipy", "seaborn", "skimage"]
    assert modules_of(folder / "main.py") == expected


def test_a_script_that_looks_elsewhere_may_have_modules_there(folder):
    script = folder / "main.py"
    script.write_text("import sys\nsys.path.append('..')\nimport in_house, pandas\n")
    assert modules_of(script) == ["pandas"]


def test_a_link_is_read_where_it_leads(folder, tmp_path):
    link = tmp_path / "elsewhere" / "link.py"
    link.parent.mkdir()
    link.symlink_to(folder / "main.py")
    assert local_files(link)[0] == link
    assert folder / "helpers.py" in local_files(link)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"\xff\xfe\x00",
        b"(" * 5000,
        b"x = " + b"-" * 20000 + b"1",
        b"import " + b"a." * 900 + b"b",
    ],
)
@pytest.mark.parametrize(
    "name", ["odd.py", "odd.ipynb", "odd.R", "odd.sh", "odd", "odd.py/missing.py"]
)
def test_odd_files_are_no_surprise(tmp_path, name, content):
    path = tmp_path / name
    (tmp_path / name.partition("/")[0]).write_bytes(content)
    assert local_files(path)[0] == path
    assert isinstance(modules_of(path), list)
    assert read_source(path).path == path


@pytest.mark.parametrize("path", ["a\0b.py", "x" * 5000 + ".py", ".", "/", "loop.py"])
def test_odd_paths_are_no_surprise(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    Path("loop.py").symlink_to("loop.py")
    assert local_files(Path(path)) == [Path(path)]
    assert modules_of(Path(path)) == []


def test_files_are_read_where_the_catalogue_is_not_installed(folder):
    code = """
import sys
sys.path.insert(0, sys.argv[1])
sys.modules.update(dict.fromkeys(["ruamel", "ruamel.yaml", "rapidfuzz", "packaging", "jsonschema"]))
from pathlib import Path
from segmake.scripts.source.static import local_files, modules_of
print(len(local_files(Path(sys.argv[2]))), "skimage" in modules_of(Path(sys.argv[2])))
"""
    words = [sys.executable, "-c", code, str(ROOT / "workflow"), str(folder / "main.py")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "9 True\n"
