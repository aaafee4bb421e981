"""Packages that a script imports and its environment is sure not to have."""

from __future__ import annotations

import pytest

from segmake.environments.wanted import catalogue, provided
from tests.unit.scripts.checking import (
    codes,
    growth,
)


@pytest.mark.parametrize(
    ("listed", "text", "packages", "words"),
    [
        (
            ["numpy", "pandas"],
            "import sklearn.cluster",
            "scikit-learn",
            "[numpy, pandas, scikit-learn]",
        ),
        (
            ["numpy", "pandas==2.3.*"],
            "import skimage, cv2",
            "OpenCV, scikit-image",
            '[numpy, "pandas==2.3.*", OpenCV, scikit-image]',
        ),
        (["seaborn"], "def f():\n    import torch", "PyTorch", "[seaborn, PyTorch]"),
        (
            ["seaborn"],
            "import numpy, pandas, matplotlib.pyplot, PIL, scipy.stats",
            "SciPy",
            "SciPy]",
        ),
        # Any of these may bring anything.
        (["numpy", "pypi:mystery"], "import sklearn", None, ""),
        (["numpy", "mystery"], "import sklearn", None, ""),
        (["numpy", "scikit-image<0.20"], "import matplotlib", None, ""),
        (["numpy", "dask[complete]"], "import pandas", None, ""),
    ],
)
def test_packages_that_are_sure_to_be_missing(check, listed, text, packages, words):
    environments = {"growth": {"packages": listed}}
    script = growth(environment="growth")
    problems = check({"growth.py": text}, [script], environments=environments)
    assert codes(problems) == (["SM-SCR-011"] if packages else [])
    for problem in problems:
        assert problem.values["packages"] == packages
        assert "the environment `growth` does not have" in problem.what
        assert words in problem.remedy


def test_what_segmakes_own_environment_does_not_have(check):
    problems = check({"growth.py": "import numpy, seaborn\n"}, [growth()])
    assert codes(problems) == ["SM-SCR-011"]
    assert "SegMake's own environment does not have seaborn" in problems[0].what
    assert "`growth: {packages: [NumPy, seaborn]}`" in problems[0].remedy
    environments = {"plots": {"packages": ["seaborn"]}}
    problems = check(
        {"growth.py": "import numpy, seaborn\n"}, [growth()], environments=environments
    )
    assert "write `environment: plots`" in problems[0].remedy


def test_the_table_of_what_packages_bring_has_all_of_them():
    known = {package.project for package in catalogue.packages()}
    assert known <= provided.brought().keys()
    assert set(provided.own_packages()) <= provided.brought().keys()
    assert {name for names in provided.brought().values() for name in names} <= known
