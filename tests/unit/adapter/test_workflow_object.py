"""What is changed of Snakemake's workflow; stand-ins have what is used of it, and `test_touch_points` checks that."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from snakemake.settings.enums import Quietness
from snakemake.settings.types import DeploymentMethod

from segmake.adapter.handlers import register
from segmake.adapter.workflow_object import WorkflowObject
from segmake.messages import Problem


class Scheduler:
    """Tries a job again that has attempts left, as Snakemake's does."""

    def __init__(self):
        self.keepgoing, self.failed = True, []
        self.workflow = None

    def _handle_error(self, job, postprocess_job=True):
        if job.restart_times > job.attempt - 1:
            job.attempt += 1
        else:
            self.failed.append(job)


def job(attempt=1):
    return SimpleNamespace(attempt=attempt, restart_times=2)


@pytest.mark.parametrize(
    ("stop", "in_vain", "again", "keeps_going"),
    [(False, False, True, True), (False, True, False, True), (True, False, False, False)],
)
def test_a_job_that_failed_is_tried_again_where_that_is_of_use(stop, in_vain, again, keeps_going):
    scheduler, failed = Scheduler(), job()
    workflow = WorkflowObject(SimpleNamespace(scheduler=scheduler))
    workflow.judge_failures(lambda: stop, lambda job: in_vain)
    scheduler._handle_error(failed, postprocess_job=False)
    assert (scheduler.failed == [], scheduler.keepgoing) == (again, keeps_going)


def module_of(workflow, *, main):
    modifier = SimpleNamespace(
        is_main_snakefile=lambda: main,
        modify_rulename=lambda name: name,
        path_modifier=SimpleNamespace(prefix=None, _prefix_replacements=None),
    )
    workflow.modifier = modifier
    return modifier


def plain_workflow(**more):
    """Like Snakemake's, which takes handlers of the main Snakefile alone."""
    made = SimpleNamespace(**more)
    for name in ("onstart", "onsuccess", "onerror"):
        setattr(made, f"_{name}", lambda log: None)
        setattr(made, name, None)
    return made


@pytest.mark.parametrize("before", [True, False])
def test_handlers_of_a_snakefile_are_called_behind_segmakes(before):
    workflow, said = plain_workflow(), []
    if before:
        workflow._onstart = lambda log: said.append("theirs")
    module_of(workflow, main=False)
    register(WorkflowObject(workflow), lambda: said.append("start"), lambda: said.append("end"))
    module_of(workflow, main=True)
    if not before:
        workflow.onstart(lambda log: said.append("theirs"))
    for name in ("_onstart", "_onsuccess", "_onerror"):
        getattr(workflow, name)("log")
    assert said == ["start", "theirs", "end", "end"]


def test_handlers_of_another_module_are_left_to_it():
    workflow, said = plain_workflow(), []
    module_of(workflow, main=False)
    register(WorkflowObject(workflow), lambda: said.append("start"), lambda: None)
    workflow.onstart(lambda log: said.append("other module"))
    workflow._onstart("log")
    assert said == ["start"]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"modify_rulename": lambda name: f"cells_{name}"}, "as ..."),
        ({"path_modifier": SimpleNamespace(prefix="a/", _prefix_replacements=None)}, "prefix: ..."),
        ({"path_modifier": SimpleNamespace(prefix=None, _prefix_replacements={1: 2})}, "replace_prefix"),
    ],
)  # fmt: skip
def test_a_module_whose_rules_or_files_get_other_names_is_refused(changed, what):
    workflow = plain_workflow()
    vars(module_of(workflow, main=False)).update(changed)
    with pytest.raises(Problem, match="SM-RUN-063") as told:
        register(WorkflowObject(workflow), lambda: None, lambda: None)
    assert what in str(told.value)


def test_where_conda_can_not_be_used_the_jobs_are_not_told_to_use_it():
    methods = frozenset({DeploymentMethod.CONDA, DeploymentMethod.APPTAINER})
    settings = SimpleNamespace(deployment_method=methods)
    workflow = WorkflowObject(SimpleNamespace(deployment_settings=settings))
    assert workflow.uses_conda
    workflow.do_without_conda()
    assert not workflow.uses_conda and settings.deployment_method == {DeploymentMethod.APPTAINER}


def test_cores_are_those_of_this_computer_alone():
    settings = SimpleNamespace(cores=4, nodes=None)
    workflow = WorkflowObject(SimpleNamespace(resource_settings=settings))
    assert (workflow.cores, workflow.sends_jobs) == (4, False)
    settings.nodes = 100
    assert (workflow.cores, workflow.sends_jobs) == (None, True)


@pytest.mark.parametrize(
    ("quiet", "expected"),
    [(None, False), (set(), False), ({Quietness.PROGRESS}, False), ({Quietness.RULES}, True)],
)
def test_quiet_is_what_the_profile_says(quiet, expected):
    settings = SimpleNamespace(quiet=quiet)
    assert WorkflowObject(SimpleNamespace(output_settings=settings)).is_quiet is expected


def test_a_local_rule_is_sent_where_its_work_is_not_small():
    """Of a cluster; on one computer all is done there, and other rules are where they were."""
    local, remote, other = (SimpleNamespace(name=name) for name in ("report", "segment", "verify"))
    work = {"small": True}
    for nodes in (None, 2):
        workflow = SimpleNamespace(
            is_local=lambda rule: rule.name != "segment",
            resource_settings=SimpleNamespace(nodes=nodes),
        )
        WorkflowObject(workflow).send_unless("report", lambda: work["small"])
        for work["small"] in (True, False):
            where = [workflow.is_local(rule) for rule in (local, remote, other)]
            assert where == [work["small"] or nodes is None, False, True]
