"""Each part of Snakemake and of its Slurm plugin that SegMake uses or replaces, and that is not meant for others.

``python -m segmake.adapter.touch_points`` holds the table against what is installed, and says in words what is no
longer as SegMake needs it. A test does the same, and finds what is touched and is not in the table.
"""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

# The distributions that bring what is touched, and the versions in which it was seen.
SEEN_IN = {
    "snakemake": "9.27.1",
    "snakemake_executor_plugin_slurm": "2.8.0",
    "snakemake_interface_executor_plugins": "9.4.0",
}

_WORKFLOW = "snakemake.workflow:Workflow"
_SETTINGS = "snakemake.settings.types"
_SCHEDULER = "snakemake.scheduling.job_scheduler:JobScheduler"
_MODIFIER = "snakemake.modules:WorkflowModifier"
_CONDA = "snakemake.deployment.conda"
_JOB = "snakemake.jobs:Job"
_GROUP = "snakemake.jobs:GroupJob"
_PLUGIN = "snakemake_executor_plugin_slurm"
_EXECUTORS = "snakemake_interface_executor_plugins.executors"
_REGISTRY = "snakemake_interface_executor_plugins.registry"

# What Snakemake gives to `Workflow.execute`.
_EXECUTED = (
    *("executor_plugin", "executor_settings", "scheduler_plugin", "scheduler_settings"),
    *("greedy_scheduler_settings", "updated_files"),
)


@dataclass(frozen=True)
class Call:
    """How something is called.

    Attributes
    ----------
    what : str
    arguments : int
        The number of arguments without a name; of a method, with the object.
    names : tuple of str
        The names of the others.
    """

    what: str
    arguments: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class TouchPoint:
    """Something of Snakemake's or its plugin's that SegMake uses or replaces.

    Attributes
    ----------
    module : str
        The file of the adapter that touches it; of all, where it is none.
    touched : tuple of str
        ``module:Class.name``; each has to be there.
    why : str
        What for.
    calls : tuple of Call
        How it is called, or called by others where SegMake replaces it.
    says : tuple of pairs
        What the source of something has to say, word for word, since SegMake counts on it.
    upstream : str
        Where it was reported, or is discussed, if anywhere.
    """

    module: str
    touched: tuple[str, ...]
    why: str
    calls: tuple[Call, ...] = ()
    says: tuple[tuple[str, str], ...] = ()
    upstream: str = ""


TOUCH_POINTS = (
    # What is imported
    TouchPoint(
        "light_start.py",
        (f"{_PLUGIN}.efficiency_report:create_efficiency_report",),
        "to keep pandas out of each start: all plugins are imported, and the report is for one option alone",
        upstream="https://github.com/snakemake/snakemake/issues/3847",
    ),
    TouchPoint(
        "light_start.py",
        (f"{_PLUGIN}.job_status_query:should_recommend_squeue_status_command",),
        "to ask Slurm's controller nothing at each start: the answer is for a help text, and waits where it is away",
        says=((f"{_PLUGIN}:_get_status_command_help", "should_recommend_squeue_status_command()"),),
    ),
    TouchPoint(
        "light_start.py",
        (f"{_PLUGIN}.job_status_query:is_query_tool_available",),
        "to look for Slurm's commands without `which`, which minimal systems lack, and three processes at each start",
    ),
    # What is known of a run
    TouchPoint(
        "workflow_object.py",
        (
            f"{_WORKFLOW}.is_main_process",
            f"{_WORKFLOW}.configfiles",
            f"{_WORKFLOW}.config_settings",
            f"{_SETTINGS}:ConfigSettings.config",
            f"{_SETTINGS}:ConfigSettings.configfiles",
            f"{_WORKFLOW}.resource_settings",
            f"{_SETTINGS}:ResourceSettings.cores",
            f"{_SETTINGS}:ResourceSettings.nodes",
            f"{_WORKFLOW}.output_settings",
            f"{_SETTINGS}:OutputSettings.dryrun",
            f"{_SETTINGS}:OutputSettings.quiet",
            "snakemake.settings.enums:Quietness.RULES",
        ),
        "to make the plan while the Snakefile is read, for the command that was typed; `workflow.dryrun` is False then",
    ),
    TouchPoint(
        "workflow_object.py",
        (
            f"{_WORKFLOW}.executor_plugin",
            "snakemake_interface_executor_plugins.registry.plugin:Plugin.name",
        ),
        "to send jobs in its own way where the executor is Slurm's, and not in another's",
    ),
    TouchPoint(
        "workflow_object.py",
        (f"{_WORKFLOW}.is_local", "snakemake.rules:Rule.name"),
        "to decide where the report is written once all cells are known: `localrule:` is read with the Snakefile",
        calls=(Call(f"{_WORKFLOW}.is_local", 2),),
        says=(
            (f"{_JOB}.is_local", "self.dag.workflow.is_local(self.rule)"),
            (_SCHEDULER, "[job for job in run if job.is_local]"),
            (_SCHEDULER, "job.reset_params_and_resources()"),
        ),
    ),
    TouchPoint(
        "workflow_object.py",
        (f"{_WORKFLOW}.persistence", "snakemake.io:IOFile"),
        "to forget what Snakemake has noted of attempts that are over",
        calls=(Call("snakemake.persistence:PersistenceBase.cleanup_metadata", 2),),
    ),
    # What is done when a run begins and ends
    TouchPoint(
        "workflow_object.py",
        (
            f"{_WORKFLOW}.onstart",
            f"{_WORKFLOW}.onsuccess",
            f"{_WORKFLOW}.onerror",
            f"{_WORKFLOW}._onstart",
            f"{_WORKFLOW}._onsuccess",
            f"{_WORKFLOW}._onerror",
            f"{_WORKFLOW}.modifier",
            f"{_MODIFIER}.is_main_snakefile",
        ),
        "to be called when a run begins and ends, also as a module: handlers of modules are passed over",
        says=(
            (f"{_WORKFLOW}.execute", "self._onstart("),
            (f"{_WORKFLOW}.execute", "self._onsuccess("),
            (f"{_WORKFLOW}.execute", "self._onerror("),
            (f"{_WORKFLOW}.onstart", "if self.modifier.is_main_snakefile():"),
        ),
        upstream="https://github.com/snakemake/snakemake/issues/3920",
    ),
    TouchPoint(
        "handlers.py",
        (
            f"{_MODIFIER}.is_main_snakefile",
            f"{_MODIFIER}.modify_rulename",
            f"{_MODIFIER}.path_modifier",
            "snakemake.path_modifier:PathModifier.prefix",
            "snakemake.path_modifier:PathModifier._prefix_replacements",
        ),
        "to refuse a module whose rules or files are to have other names: earlier results know them as they are",
    ),
    TouchPoint(
        "workflow_object.py",
        (
            f"{_WORKFLOW}.scheduler",
            f"{_SCHEDULER}._handle_error",
            f"{_SCHEDULER}.keepgoing",
            f"{_JOB}.attempt",
            f"{_JOB}.restart_times",
            f"{_GROUP}.attempt",
            f"{_GROUP}.restart_times",
        ),
        "to try no job again once the disk is full, or Slurm will never take it",
        calls=(Call(f"{_SCHEDULER}._handle_error", 2, ("postprocess_job",)),),
        says=(
            (f"{_SCHEDULER}._handle_error", "job.restart_times > job.attempt - 1"),
            (_SCHEDULER, "self._handle_error(job"),
        ),
        upstream="https://github.com/snakemake/snakemake/issues/364",
    ),
    TouchPoint(
        "quiet.py",
        ("snakemake.logging:logger",),
        "to keep what is no news off the screen: `quiet` has no such choice",
        says=(
            ("snakemake.logging", '"DefaultStreamHandler"'),
            ("snakemake.workflow", "At least one job did not"),
            ("snakemake.workflow", "--keep-incomplete mode is set"),
            ("snakemake.scheduling.job_scheduler", "Exiting because a job execution"),
            (_CONDA, "Your conda installation is not configured to use strict channel priorities"),
            (_PLUGIN, "No SLURM account given"),
            (_PLUGIN, "Unable to guess SLURM account"),
            (_PLUGIN, "You are running snakemake in a SLURM job context"),
            (f"{_PLUGIN}.accounts", "No account was given"),
            (f"{_PLUGIN}.job_status_query", "MinJobAge "),
        ),
        upstream="https://github.com/snakemake/snakemake/issues/3856",
    ),
    # The environments of the rules
    TouchPoint(
        "workflow_object.py",
        (
            f"{_WORKFLOW}.deployment_settings",
            f"{_SETTINGS}:DeploymentSettings.deployment_method",
            f"{_SETTINGS}:DeploymentSettings.conda_prefix",
            f"{_SETTINGS}:DeploymentMethod.CONDA",
        ),
        "to use the environments of the set-up where conda is asked for and can't be used, in the jobs as well",
    ),
    TouchPoint(
        "conda_environments.py",
        (
            f"{_CONDA}:Env.create",
            f"{_CONDA}:Env.address",
            f"{_CONDA}:Env.file",
            f"{_CONDA}:Env.workflow",
            f"{_WORKFLOW}.dag",
            "snakemake.dag:DAG.conda_envs",
            "snakemake.dag:DAG.needrun_jobs",
            f"{_JOB}.conda_env",
            f"{_JOB}._conda_env",
            "snakemake.sourcecache:SourceFile.get_path_or_uri",
        ),
        "to make the environments that a job needs and no others, one run at a time, and to go on without one",
        calls=(
            Call(f"{_CONDA}:Env.create", 2),
            Call("snakemake.sourcecache:SourceFile.get_path_or_uri", 1, ("secret_free",)),
        ),
        says=(
            ("snakemake.dag:DAG.create_conda_envs", "in self.conda_envs.values()"),
            ("snakemake.dag:DAG.create_conda_envs", "env.create("),
            (f"{_JOB}.conda_env", "self._conda_env is None"),
        ),
        upstream="https://github.com/snakemake/snakemake/issues/3954",
    ),
    TouchPoint(
        "conda_environments.py",
        (
            f"{_CONDA}:MIN_CONDA_VER",
            f"{_CONDA}:get_env_setup_done_flag_file",
            "snakemake.exceptions:WorkflowError",
            "snakemake.exceptions:CreateCondaEnvironmentException",
        ),
        "to know whether conda is new enough, and an environment whole; and to say why one could not be made",
        calls=(Call(f"{_CONDA}:get_env_setup_done_flag_file", 1),),
        says=(
            (f"{_CONDA}:Env.create", "raise CreateCondaEnvironmentException("),
            ("snakemake.exceptions:CreateCondaEnvironmentException", "(WorkflowError)"),
        ),
    ),
    # What Snakemake keeps beside the results
    TouchPoint(
        "front.py",
        (),
        "to make `.snakemake/incomplete` first: the second of two first runs would convert the folder; to know a job",
        says=(
            (
                "snakemake.persistence.file",
                'self._incomplete_path = os.path.join(self.path, "incomplete")',
            ),
            (
                "snakemake.persistence.file",
                'self._metadata_path = os.path.join(self.path, "metadata")',
            ),
            ("snakemake.cli", '"--directory"'),
            ("snakemake.cli", '"--mode"'),
        ),
    ),
    TouchPoint(
        "own_files.py",
        (),
        "to name SegMake's Snakefile and profiles where Snakemake would find no Snakefile: there is no setting for it",
        says=(
            ("snakemake.cli", '"--snakefile"'),
            ("snakemake.cli", '"--profile"'),
            (
                "snakemake.cli",
                r"(?P<main_file_name>profile|config)(?:\.v(?P<min_major>\d+)\+)?.yaml",
            ),
            ("snakemake.common", '"Snakefile"'),
            ("snakemake.common", '"workflow/Snakefile"'),
        ),
    ),
    TouchPoint(
        "wrong_start.py",
        (),
        "to tell in the user's language what is wrong with a start, and to keep the line on SegMake's own profile away",
        says=(
            ("snakemake.cli", "for setting default command line arguments."),
            (
                "snakemake.cli",
                "search_dirs = [os.getcwd(), dirs.user_config_dir, dirs.site_config_dir]",
            ),
            ("snakemake.cli", '"--snakefile"'),
            ("snakemake.cli", '"--configfile"'),
        ),
    ),
    TouchPoint(
        "",
        (),
        "to find environments and runs: `.snakemake/conda` and `.snakemake/locks` (segmake.environments.making)",
        says=(
            ("snakemake.persistence", 'self.conda_env_path = os.path.join(self.path, "conda")'),
            ("snakemake.persistence.file", 'self._lockdir = os.path.join(self.path, "locks")'),
        ),
    ),
    TouchPoint(
        "resources.py",
        ("snakemake.resources:GroupResources.basic_layered",),
        "to ask for a part for each job of a group: time is added up, and memory of what is done side by side",
        says=(
            ("snakemake.resources:GroupResources.basic_layered", 'else ["runtime"]'),
            (
                "snakemake.resources:GroupResources.basic_layered",
                "sum if res in additive_resources else max for res in int_resources",
            ),
        ),
    ),
    # Jobs on Slurm
    TouchPoint(
        "workflow_object.py",
        (f"{_SCHEDULER}._executor",),
        "to make the plugin's executor one of SegMake's before it has sent anything",
    ),
    TouchPoint(
        "sending.py",
        (f"{_PLUGIN}:Executor.run_uuid",),
        "to give the jobs of a run a name that their owner knows in the queue, and that of a lost run to its next",
        says=(
            (f"{_PLUGIN}.utils:delete_slurm_environment", "del os.environ[var]"),
            (f"{_PLUGIN}:Executor.__post_init__", "self.run_uuid = "),
        ),
    ),
    TouchPoint(
        "executor.py",
        (
            f"{_PLUGIN}:Executor",
            f"{_PLUGIN}:Executor._submit_job",
            f"{_PLUGIN}:Executor.run_job",
            f"{_PLUGIN}:Executor._job_submission_executor",
            f"{_PLUGIN}:Executor._report_job_submission_threadsafe",
            f"{_PLUGIN}:Executor._report_job_error_threadsafe",
            f"{_PLUGIN}:Executor.run_job_pre",
            f"{_PLUGIN}:Executor.format_job_exec",
            f"{_PLUGIN}:Executor.workflow",
            f"{_PLUGIN}:Executor.run_uuid",
            f"{_PLUGIN}:Executor.slurm_logdir",
            f"{_WORKFLOW}.workdir_init",
            f"{_WORKFLOW}.executor_settings",
            f"{_JOB}.name",
            f"{_JOB}.output",
            f"{_JOB}.resources",
            f"{_GROUP}.name",
            f"{_GROUP}.output",
            f"{_GROUP}.resources",
            f"{_EXECUTORS}.base:SubmittedJobInfo",
        ),
        "to send a job through standard input, and to wait, or tell, where Slurm refuses it: no crash, and no attempt",
        calls=(
            Call(f"{_PLUGIN}:Executor._submit_job", 2),
            Call(f"{_PLUGIN}:Executor.run_job", 2),
            Call(f"{_PLUGIN}:Executor.run_job_pre", 2),
            Call(f"{_PLUGIN}:Executor.format_job_exec", 2),
            Call(f"{_PLUGIN}:Executor._report_job_submission_threadsafe", 2),
            Call(f"{_PLUGIN}:Executor._report_job_error_threadsafe", 3),
            Call(f"{_EXECUTORS}.base:SubmittedJobInfo", 1, ("external_jobid", "aux")),
        ),
        says=((f"{_PLUGIN}:Executor._submit_job", "submit(self.run_job, job)"),),
        upstream="https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/320",
    ),
    TouchPoint(
        "executor.py",
        (
            f"{_PLUGIN}.submit_string:get_submit_command",
            f"{_PLUGIN}.utils:set_gres_string",
            f"{_PLUGIN}.utils:get_job_wildcards",
            f"{_PLUGIN}.validation:get_forbidden_slurm_options",
        ),
        "to ask Slurm as the plugin does for what a rule wants, and to refuse options that it keeps for itself",
        calls=(
            Call(f"{_PLUGIN}.submit_string:get_submit_command", 2, ("settings",)),
            Call(f"{_PLUGIN}.utils:set_gres_string", 1),
            Call(f"{_PLUGIN}.utils:get_job_wildcards", 1),
            Call(f"{_PLUGIN}.validation:get_forbidden_slurm_options", 0),
        ),
        says=tuple(
            (f"{_PLUGIN}.submit_string:get_submit_command", f"params.{name}")
            for name in (
                *("run_uuid", "slurm_logfile", "comment_str"),
                *("account", "partition", "workdir"),
            )
        ),
    ),
    TouchPoint(
        "workflow_object.py",
        (
            f"{_WORKFLOW}.execute",
            f"{_WORKFLOW}.global_resources",
            f"{_REGISTRY}:ExecutorPluginRegistry",
            f"{_REGISTRY}.plugin:Plugin.executor",
            f"{_REGISTRY}.plugin:Plugin.common_settings",
            "snakemake_interface_executor_plugins.settings:CommonSettings.dryrun_exec",
        ),
        "to have a dry run make the jobs as a run does, and the executor that would send them, which shows them",
        calls=(
            Call(f"{_WORKFLOW}.execute", 1, _EXECUTED),
            Call(f"{_REGISTRY}:ExecutorPluginRegistry.get_plugin", 2),
            Call(f"{_REGISTRY}.plugin:Plugin.get_settings", 2),
            Call("snakemake.cli:parse_args", 1),
        ),
        says=(
            ("snakemake.api:DAGApi.execute_workflow", "executor_plugin=run_executor_plugin"),
            ("snakemake.api:DAGApi.execute_workflow", "executor_settings=run_executor_settings"),
            ("snakemake.cli:args_to_api", "args.cores = 1"),
            (f"{_WORKFLOW}.__post_init__", 'self.global_resources["_cores"]'),
        ),
    ),
    TouchPoint(
        "shown_jobs.py",
        (
            f"{_WORKFLOW}.dag",
            "snakemake.dag:DAG.needrun_jobs",
            "snakemake.dag:DAG.get_job_group",
            f"{_JOB}.name",
            f"{_JOB}.is_local",
            f"{_JOB}.is_group",
            f"{_JOB}.is_norun",
            f"{_GROUP}.name",
            f"{_GROUP}.is_group",
            f"{_GROUP}.jobs",
            f"{_GROUP}.is_local",
            f"{_PLUGIN}:Executor.run_uuid",
            f"{_PLUGIN}:Executor.slurm_logdir",
            f"{_EXECUTORS}.real:RealExecutor",
        ),
        "to show what would be sent: all jobs that are to be done, and those of a group as one",
        calls=(
            Call(f"{_EXECUTORS}.real:RealExecutor.__init__", 3, ("post_init",)),
            Call("snakemake.dag:DAG.get_job_group", 2),
        ),
    ),
    TouchPoint(
        "executor.py",
        (
            f"{_PLUGIN}:Executor.additional_general_args",
            f"{_PLUGIN}:Executor.get_python_executable",
            f"{_PLUGIN}:Executor.get_job_args",
            f"{_EXECUTORS}.real:RealExecutor.get_job_args",
            "snakemake_interface_executor_plugins.utils:format_cli_arg",
            f"{_JOB}.get_wait_for_files",
            f"{_GROUP}.get_wait_for_files",
        ),
        "to run one Snakemake in a job and none in a job step of another, with paths that have blanks, of any run",
        calls=(
            Call(f"{_EXECUTORS}.real:RealExecutor.get_job_args", 2),
            Call("snakemake_interface_executor_plugins.utils:format_cli_arg", 2, ("skip",)),
            Call(f"{_JOB}.get_wait_for_files", 1),
            Call(f"{_GROUP}.get_wait_for_files", 1),
        ),
        says=(
            (f"{_EXECUTORS}.real:RealExecutor.format_job_exec", "self.get_python_executable()"),
            (f"{_EXECUTORS}.real:RealExecutor.format_job_exec", "self.get_job_args(job)"),
            (f"{_EXECUTORS}.real:RealExecutor.format_job_exec", "self.additional_general_args()"),
            (f"{_PLUGIN}:Executor.additional_general_args", "--executor slurm-jobstep"),
        ),
        upstream="https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/469",
    ),
    TouchPoint(
        "executor.py",
        (
            f"{_PLUGIN}:Executor.check_active_jobs",
            f"{_PLUGIN}:Executor.next_seconds_between_status_checks",
            f"{_PLUGIN}:ExecutorSettings.init_seconds_before_status_checks",
            f"{_PLUGIN}:Executor.report_job_success",
            f"{_PLUGIN}:Executor.report_job_error",
            f"{_PLUGIN}:Executor.print_job_error",
            f"{_WORKFLOW}.execution_settings",
            f"{_SETTINGS}:ExecutionSettings.latency_wait",
            f"{_EXECUTORS}.base:SubmittedJobInfo.job",
            f"{_EXECUTORS}.base:SubmittedJobInfo.external_jobid",
            f"{_EXECUTORS}.base:SubmittedJobInfo.aux",
        ),
        "to ask Slurm about all jobs at once, seldom while nothing changes, and to take a job for done by its files",
        calls=(
            Call(f"{_PLUGIN}:Executor.check_active_jobs", 2),
            Call(f"{_PLUGIN}:Executor.report_job_success", 2),
            Call(f"{_PLUGIN}:Executor.report_job_error", 2, ("msg", "aux_logs")),
            Call(f"{_PLUGIN}:Executor.print_job_error", 3, ("aux_logs",)),
        ),
        says=(
            (
                f"{_EXECUTORS}.remote:RemoteExecutor.sleep",
                "else self.next_seconds_between_status_checks",
            ),
        ),
        upstream="https://github.com/snakemake/snakemake-executor-plugin-slurm/issues/319",
    ),
    TouchPoint(
        "executor.py",
        (
            f"{_PLUGIN}:Executor.cancel_jobs",
            f"{_PLUGIN}:Executor.shutdown",
            f"{_PLUGIN}:ExecutorSettings.keep_successful_logs",
            f"{_PLUGIN}:ExecutorSettings.delete_logfiles_older_than",
        ),
        "to cancel what was sent a moment ago, or leave it to the next run, with the folders that its logs go to",
        calls=(
            Call(f"{_PLUGIN}:Executor.cancel_jobs", 2),
            Call(f"{_PLUGIN}:Executor.shutdown", 1),
        ),
        says=((f"{_PLUGIN}:Executor.clean_old_logs", "age_cutoff <= 0"),),
    ),
    # The rules
    TouchPoint(
        "common.smk",
        ("snakemake.exceptions:WorkflowError",),
        "to say that the package is not there; in a clone it is found since the Snakefile's folder is in `sys.path`",
        says=((f"{_WORKFLOW}.include", "sys.path.insert(0, snakefile_path_or_uri)"),),
    ),
    TouchPoint(
        "common.smk",
        (f"{_WORKFLOW}.register_resource", "snakemake.shell:shell.prefix"),
        "to hold back jobs on GPUs, and to put SegMake's own commands before those of all rules",
        calls=(Call(f"{_WORKFLOW}.register_resource", 3),),
    ),
)


def broken() -> Iterator[str]:
    """Yield in words what is no longer as SegMake needs it."""
    for point in TOUCH_POINTS:
        for fault in faults(point):
            yield f"{fault}, which {_who(point)} needs {point.why}"
    for name in taken_names():
        yield (
            f"{_brings(_PLUGIN)} has `Executor.{name}` now, "
            "which adapter/executor.py uses for something of its own"
        )


def faults(point: TouchPoint) -> Iterator[str]:
    """Yield what is no longer there, can't be called any more as it is, or says something else."""
    for what in dict.fromkeys((*point.touched, *(call.what for call in point.calls))):
        if not is_there(what):
            yield f"{_brings(what)} no longer has {_bare(what)}"
    for call in point.calls:
        if is_there(call.what) and not can_be_called(call):
            names = f" and {', '.join(call.names)}" if call.names else ""
            yield (
                f"{_brings(call.what)} no longer lets {_bare(call.what)} "
                f"be called with {call.arguments} arguments{names}"
            )
    for what, words in point.says:
        if not is_there(what) or words not in _source(find(what)):
            yield f"{_brings(what)} no longer says `{words}` in {_bare(what)}"


def is_there(what: str) -> bool:
    """Return whether a module, or something in it, is there; also what an object has only once it is made."""
    module, _, path = what.partition(":")
    try:
        found = _import(module)
    except ImportError:
        return False
    *owners, name = path.split(".") if path else [""]
    for owner in owners:
        if not hasattr(found, owner):
            return False
        found = getattr(found, owner)
    return not name or hasattr(found, name) or name in _attributes_of_objects(found)


def can_be_called(call: Call) -> bool:
    """Return whether something takes arguments as SegMake gives them."""
    try:
        inspect.signature(find(call.what)).bind(
            *[None] * call.arguments, **dict.fromkeys(call.names)
        )
    except (TypeError, ValueError):
        return False
    return True


def taken_names() -> list[str]:
    """Return the names of SegMake's executor that the plugin's gives to its objects for something else."""
    try:
        from segmake.adapter.executor import Executor
    except ImportError:
        # What is not there for it is told already.
        return []
    plugins = _import(_PLUGIN).Executor
    known = {what.rpartition(".")[2] for point in TOUCH_POINTS for what in point.touched}
    own = {name for name in vars(Executor) if not name.startswith(("__", "_abc_"))}
    own |= set(Executor.__annotations__) | given_to_self(Executor)
    theirs = set(dir(plugins)) | _attributes_of_objects(plugins)
    return sorted((own & theirs) - known)


def _import(module: str) -> Any:
    # Its modules import each other: only in this order can each be had.
    import_module("snakemake.api")
    found = import_module(module)
    # What stands in for it in this process is SegMake's: see `segmake.adapter.light_start`.
    return found.real_module() if hasattr(found, "real_module") else found


def find(what: str) -> Any:
    """Return what is named ``module:Class.name``, of a property its function."""
    module, _, path = what.partition(":")
    found = _import(module)
    for name in filter(None, path.split(".")):
        found = inspect.getattr_static(found, name)
    if isinstance(found, property):
        return found.fget
    return found.__func__ if isinstance(found, classmethod | staticmethod) else found


def given_to_self(owner: type) -> set[str]:
    """Return the names of what the methods of a class give to ``self``."""
    # What has no source, such as a class of Python itself, gives nothing.
    nodes = ast.walk(ast.parse(textwrap.dedent(_source(owner))))
    stored = (node for node in nodes if isinstance(node, ast.Attribute))
    return {
        node.attr
        for node in stored
        if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


def _attributes_of_objects(owner: Any) -> set[str]:
    """Return what objects of a class have once they are made: its fields, and what its methods give to ``self``."""
    classes = inspect.getmro(owner) if inspect.isclass(owner) else ()
    names: set[str] = set()
    for one in classes:
        names |= set(getattr(one, "__annotations__", {})) | given_to_self(one)
    return names


def _source(what: Any) -> str:
    try:
        return inspect.getsource(what)
    except (OSError, TypeError):
        return ""


def _brings(what: str) -> str:
    name = what.partition(":")[0].partition(".")[0]
    return f"{name.replace('_', '-')} {version(name)}"


def _bare(what: str) -> str:
    return what.partition(":")[2] or what


def _who(point: TouchPoint) -> str:
    return f"adapter/{point.module}" if point.module else "segmake"


def main() -> int:
    """Say what is no longer as SegMake needs it, and return the exit code."""
    found = list(broken())
    for name, seen in SEEN_IN.items():
        print(f"{_brings(name)} (seen in {seen})")
    for words in found:
        print(f"  {words}")
    print(f"{len(TOUCH_POINTS)} touch points, {len(found)} changed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
