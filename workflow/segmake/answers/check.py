"""What ``segmake check --json`` answers: whether a config can be used, and all that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from segmake.answers.answer import Answer, answer, path_text, problem_values
from segmake.config.load import load_config
from segmake.messages import Problem, Problems


def check_answer(config: Path) -> Answer:
    """Return all that is wrong with a config, as far as the file alone tells."""
    problems: list[Problem] = []
    faults: list[Problem] = []
    try:
        # A run that needs none of these environments goes on.
        found_in_lists = load_config(config, images=False).list_faults
        faults = [problem for each in found_in_lists.values() for problem in each]
    except Problem as problem:
        problems = [problem]
    except Problems as found:
        problems = found.problems
    told = [*map(problem_values, problems), *(problem_values(one, "warning") for one in faults)]
    return answer("check", 1, told, config=path_text(config), usable=not problems)
