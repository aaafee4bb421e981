"""What ``segmake check --json`` answers: whether a config can be used, and all that is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from segmake.answers.answer import Answer, answer, path_text, problem_values
from segmake.config.load import load_config
from segmake.config.small_diameter import question_of_config
from segmake.core import installation
from segmake.core.site import Site, read_site
from segmake.environments.solving.environment_files import faults_of
from segmake.images.folders import folder_problems
from segmake.messages import Problem, Problems

# That a folder of images is not there, or is one of another computer by its name: that says nothing where the
# experiment is computed on another one.
_ABSENT = ("SM-DIR-001", "SM-DIR-002", "SM-SIT-007")


@dataclass(frozen=True)
class Checked:
    """What is wrong with a config.

    Attributes
    ----------
    problems : list of Problem
        Which no run can begin with.
    warnings : list of Problem
        Which a run goes on with, if none of its scripts needs what is wrong; and what was perhaps meant otherwise.
    absent : list of str
        The folders of images that are not on this computer, where that is no mistake.
    """

    problems: list[Problem]
    warnings: list[Problem] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def checked(path: Path, *, here: bool = True, before: Sequence[Path] = ()) -> Checked:
    """Return what is wrong with a config, as far as the file and its folders of images tell.

    Parameters
    ----------
    path : Path
        The config.
    here : bool
        Whether the experiment is one of this computer, and not of another one that it is computed on.
    before : sequence of Path
        Other configs, which count where this one says nothing.
    """
    warnings: list[Problem] = []
    try:
        config = load_config(path, before=before)
        problems = list(folder_problems(config))
        warnings = [each for name in config.typed.environments for each in faults_of(config, name)]
        if asked := question_of_config(config):
            warnings.append(asked)
    except Problem as problem:
        problems = [problem]
    except Problems as found:
        problems = found.problems
    site = read_site()
    folders = {id(each): folder for each in problems if (folder := _absent_folder(each))}
    elsewhere = {
        key: folder for key, folder in folders.items() if not here or _is_elsewhere(folder, site)
    }
    return Checked(
        [each for each in problems if id(each) not in elsewhere],
        warnings,
        [folder for folder in elsewhere.values() if not os.path.isdir(folder)],
    )


def _absent_folder(problem: Problem) -> str:
    """Return the folder of images that a problem says is not here; empty for any other problem."""
    if problem.code not in _ABSENT or getattr(problem.where, "key", "") != "images.folder":
        return ""
    return str(problem.values.get("folder") or problem.values["path"])


def _is_elsewhere(folder: str, site: Site) -> bool:
    """Whether a folder that is not here is one of a cluster, and this is a computer where configs are only written."""
    # What computes is not installed on a laptop whose experiments are computed elsewhere.
    if not installation.can_run():
        return True
    # What is shared by the cluster is not to be seen here: this is none of its computers.
    shared = (one.there for one in site.shares if not os.path.isdir(one.there))
    return any(PurePosixPath(folder).is_relative_to(there) for there in shared)


def check_answer(config: Path, *, here: bool = True, before: Sequence[Path] = ()) -> Answer:
    """Return all that is wrong with a config, as far as the file and its folders of images tell.

    Parameters
    ----------
    config : Path
    here, before
        As for `checked`.
    """
    found = checked(config, here=here, before=before)
    problems = [
        *map(problem_values, found.problems),
        *(problem_values(one, "warning") for one in found.warnings),
    ]
    usable = not found.problems
    return answer(
        "check", 1, problems, config=path_text(config), usable=usable, absent=found.absent
    )
