"""Parameters of a sweep: how many runs they make, and whether the script takes them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.scripts.checking import (
    SIMULATION,
    codes,
)


def sweep(**section: Any) -> dict[str, Any]:
    values = {"seed": {"from": 1, "to": 20}, "rate": [0.1, 0.2]}
    return {"name": "sim", "script": "sim.py", "run": "sweep", "sweep": values, **section}


@pytest.mark.parametrize(
    ("section", "code", "words"),
    [
        ({}, None, ""),
        ({"sweep": {"seed": [1, 2], "rate": [1, 2], "zip": True}}, None, ""),
        ({"sweep": {"seed": [1, 2], "rate": [1], "zip": True}}, "SM-SCR-024", "seed: 2, rate: 1"),
        ({"sweep": {"seed": {"from": 5, "to": 1}}}, "SM-SCR-025", "from 5"),
        ({"sweep": {"seed": {"from": 1, "to": 2000}}}, "SM-SCR-026", "2000 runs, in 40 jobs"),
        ({"sweep": {"seed": {"from": 1, "to": 2000}}, "max_runs": 2000}, None, ""),
        ({"sweep": {"seed": {"from": 0, "to": 1e300}}}, "SM-SCR-026", "> 10^15"),
        (
            {"sweep": {"seed": {"from": 1, "to": 1e9}, "rate": {"from": 1, "to": 1e9}}},
            "SM-SCR-026",
            "",
        ),
        ({"sweep": {"seed": ["one", 2]}}, "SM-SCR-018", "one"),
        ({"sweep": {"seed": {"from": 0, "to": 1, "step": 0.5}}}, "SM-SCR-018", "0.5"),
        ({"sweep": {"seed": [1], "quiet": [True, False]}}, "", ""),
        ({"sweep": {"seed": [1], "quiet": [1, 2]}}, "SM-SCR-015", "--quiet"),
        ({"sweep": {"seed": [True, False]}}, "SM-SCR-015", "--seed"),
        ({"sweep": {"seed": [1], "speed": [2]}}, "SM-SCR-013", "--speed"),
        ({"sweep": {"rate": [1]}}, "SM-SCR-017", "--seed"),
        ({"arguments": {"rate": 3}}, "SM-SCR-022", "--rate"),
        ({"sweep": {"zip": True}}, "SM-SCR-023", "sim.py"),
        (
            {"arguments": ["--output-dir", "{output_dir}", "--seed=1"]},
            "SM-SCR-019",
            "would not reach",
        ),
    ],
)
def test_sweeps(check, section, code, words):
    problems = check({"sim.py": SIMULATION}, [sweep(**section)])
    assert codes(problems) == ([code] if code else []), "\n".join(map(str, problems))
    assert words in "".join(problem.what for problem in problems)


def test_a_parameter_that_only_numbers_repeats_need_be_no_option(check):
    repeats = {"seed": [1], "rep": [1, 2]}
    (problem,) = check({"sim.py": SIMULATION}, [sweep(sweep=repeats)])
    assert 'variables: {REP: "{rep}"}' in problem.remedy
    assert not check({"sim.py": SIMULATION}, [sweep(sweep=repeats, variables={"REP": "{rep}"})])
