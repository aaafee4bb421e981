"""The table of a job's fates: each row is known by Slurm's own words, and says what to do in every language."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from segmake.messages import LANGUAGES
from segmake.slurm.fates import Fate, all_fates, ended, fates, refused, waits

FATES = list(all_fates())
EXAMPLES = [(fate, words) for fate in FATES for words in fate.examples]

# Every reason that Slurm 22.05 to 25.05 has for a job in the queue, but for those of jobs that have ended or never wait.
REASONS = re.findall(
    r"\w+",
    """
Priority Dependency Resources PartitionNodeLimit PartitionTimeLimit PartitionDown PartitionInactive JobHeldAdmin
BeginTime Licenses AssociationJobLimit AssociationResourceLimit AssociationTimeLimit Reservation ReqNodeNotAvail
JobHeldUser FrontEndDown SchedDefer NodeDown BadConstraints SystemFailure JobLaunchFailure InvalidAccount InvalidQOS
QOSUsageThreshold QOSJobLimit QOSResourceLimit QOSTimeLimit Cleaning Prolog QOSNotAllowed AccountNotAllowed
DependencyNeverSatisfied QOSGrpCpuLimit QOSGrpCPUMinutesLimit QOSGrpCPURunMinutesLimit QOSGrpJobsLimit QOSGrpMemLimit
QOSGrpNodeLimit QOSGrpSubmitJobsLimit QOSGrpWallLimit QOSMaxCpuPerJobLimit QOSMaxCpuMinutesPerJobLimit
QOSMaxNodePerJobLimit QOSMaxWallDurationPerJobLimit QOSMaxCpuPerUserLimit QOSMaxJobsPerUserLimit QOSMaxNodePerUserLimit
QOSMaxSubmitJobPerUserLimit QOSMinCpuNotSatisfied AssocGrpCpuLimit AssocGrpCPUMinutesLimit AssocGrpCPURunMinutesLimit
AssocGrpJobsLimit AssocGrpMemLimit AssocGrpNodeLimit AssocGrpSubmitJobsLimit AssocGrpWallLimit AssocMaxJobsLimit
AssocMaxCpuPerJobLimit AssocMaxCpuMinutesPerJobLimit AssocMaxNodePerJobLimit AssocMaxWallDurationPerJobLimit
AssocMaxSubmitJobLimit JobHoldMaxRequeue JobArrayTaskLimit BurstBufferResources BurstBufferStageIn BurstBufferOperation
PowerNotAvail PowerReserved AssocMaxCpuPerNode AssocGrpMemMinutes AssocGrpMemRunMinutes AssocMaxMemPerJob
AssocMaxMemPerNode AssocMaxMemMinutesPerJob AssocGrpGRES AssocGrpGRESMinutes AssocGrpGRESRunMinutes AssocMaxGRESPerJob
AssocMaxGRESPerNode AssocMaxGRESMinutesPerJob AssocGrpLicense QOSMaxCpuPerNode QOSGrpMemoryMinutes
QOSGrpMemoryRunMinutes QOSMaxMemoryMinutesPerJob QOSMaxMemoryPerJob QOSMaxMemoryPerNode QOSMaxMemoryPerUser QOSMinMemory
QOSGrpNodeMinutes QOSMaxNodeMinutesPerJob QOSMinNode QOSGrpGRES QOSGrpGRESMinutes QOSGrpGRESRunMinutes QOSMaxGRESPerJob
QOSMaxGRESPerNode QOSMaxGRESPerUser QOSMaxGRESMinutesPerJob QOSMinGRES QOSGrpLicense QOSMaxLicensePerUser
MaxCpuPerAccount MaxGRESPerAccount MaxNodePerAccount MaxMemoryPerAccount MaxJobsPerAccount MaxSubmitJobsPerAccount
PartitionConfig AccountingPolicy MaxMemPerLimit AssocGrpBilling AssocGrpBillingMinutes AssocGrpBillingRunMinutes
AssocMaxBillingPerJob QOSGrpBilling QOSGrpBillingMinutes QOSMaxBillingPerUser MaxBillingPerAccount QOSMinBilling
ReservationDeleted ReservationInvalid Constraints
""",
)


def recognised(fate: Fate, words: str) -> Fate | None:
    if fate.moment == "sending":
        return refused(words)
    return waits(words) if fate.moment == "waiting" else ended("FAILED", words)


@pytest.mark.parametrize(("fate", "words"), EXAMPLES, ids=lambda value: str(value)[-40:])
def test_an_example_is_taken_for_its_row_and_for_no_other(fate, words):
    assert recognised(fate, words) == fate
    at_once = fate.moment == "waiting"
    for line in words.splitlines():
        others = [
            o for o in fates(fate.moment).values() if o != fate and o.is_in(line, at_once=at_once)
        ]
        assert all(other.yields_to(fate) for other in others)


def test_every_row_can_be_met():
    for fate in FATES:
        # That nothing is there is found by looking for the files.
        assert fate.examples or fate.states or fate.name == "nothing", fate


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: f"{fate.moment}-{fate.name}")
def test_every_row_says_the_same_in_every_language(fate):
    for part in ("says", "remedy"):
        texts = [fate.text(part, words) for words in LANGUAGES]
        assert all(texts) and len(set(texts)) == len(LANGUAGES)
        names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in texts]
        assert names[0] == names[1] <= ({"jobs"} if fate.moment == "waiting" else set())
        full_stops = {text.endswith(".") for text in texts}
        assert full_stops == {part == "remedy"}
    assert fate.grows in ("", "memory", "time")
    assert fate.counts or not fate.grows


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_slurm_has_one_row(reason):
    assert [f.name for f in fates("waiting").values() if f.is_in(reason, at_once=True)] == [
        waits(reason).name
    ]


def test_what_ends_without_anybodys_doing_is_told_from_what_does_not():
    for reason in (
        "Resources",
        "QOSMaxGRESPerUser",
        "AssocGrpCpuLimit",
        "AssocGrpCPURunMinutesLimit",
    ):
        assert waits(reason).passes
    for reason in ("JobHeldUser", "Licenses", "AssocGrpCPUMinutesLimit", "QOSMaxCpuPerJobLimit"):
        assert not waits(reason).passes
    for reason in ("", "None", "(null)", "SomethingNew"):
        assert waits(reason) is None
    assert waits("launch_failed_requeued_held").name == "held_launch"
    assert waits("Nodes_required_for_job_are_DOWN,_DRAINED").name == "nodes_away"
    assert "`scontrol release 12 13`" in waits("JobHeldUser").remedy(jobs="12 13")


def test_of_several_lines_the_last_decides():
    retried = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
    failed = "sbatch: error: Batch job submission failed: "
    assert refused(f"{retried}\n{failed}Resource temporarily unavailable").passes
    for last in ("Invalid qos specification", "Requested node configuration is not available"):
        assert refused(f"{retried}\n{failed}{last}").stops
    assert refused(f"{retried}\n{failed}A rule of this place").name == "refused"
    assert refused(retried).name == "full"
    for fate, words in EXAMPLES:
        if fate.moment == "sending":
            assert refused(words.replace("\n", " ")) == fate


def test_the_same_words_for_a_limit_that_passes_and_one_that_does_not():
    (words,) = fates("sending")["policy"].examples
    assert refused(words).stops
    assert refused(words, accepted_before=True) == fates("sending")["submit_limit"]
    assert refused(f"sbatch: error: QOSMaxCpuPerJobLimit\n{words}", accepted_before=True).stops


def test_a_refusal_in_unknown_words_does_not_pass():
    for words in ("", "a rule of this place"):
        fate = refused(words)
        assert (fate.name, fate.passes, fate.stops) == ("refused", False, True)


@pytest.mark.parametrize(
    ("state", "more", "name"),
    [
        ("COMPLETED", {}, "done"),
        ("COMPLETED", {"log": "slurmstepd: error: Detected 1 oom_kill event"}, "done"),
        ("OUT_OF_MEMORY", {}, "memory"),
        ("TIMEOUT", {}, "time"),
        ("DEADLINE", {}, "time"),
        ("NODE_FAIL", {}, "node"),
        ("BOOT_FAIL", {}, "node"),
        ("PREEMPTED", {}, "preempted"),
        ("CANCELLED by 1000", {}, "cancelled"),
        ("CANCELLED+", {}, "cancelled"),
        ("FORGOTTEN", {}, "forgotten"),
        ("FAILED", {"exit_code": "1:0"}, "failed"),
        ("FAILED", {"exit_code": "0:53"}, "launch"),
        ("FAILED", {"exit_code": "127:0"}, "launch"),
        ("FAILED", {"reason": "JobLaunchFailure"}, "launch"),
        ("FAILED", {"reason": "NonZeroExitCode"}, "failed"),
        # The GPU's own memory: more of the node's would not help.
        ("FAILED", {"log": "torch.OutOfMemoryError: CUDA out of memory."}, "failed"),
        # A script of the user's that found no file.
        ("FAILED", {"log": "FileNotFoundError: [Errno 2] No such file or directory"}, "failed"),
    ],
)
def test_how_a_job_ended(state, more, name):
    assert ended(state, **more).name == name


def test_what_is_no_fault_of_a_job_is_no_attempt():
    assert [fate.name for fate in fates("ended").values() if not fate.counts] == [
        "done",
        "node",
        "preempted",
    ]
    assert not any(fate.counts for fate in fates("sending").values() if fate.passes)
