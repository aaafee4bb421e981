"""What a plan is in plain words, for the screen, and what of it the report says too."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import itemgetter
from textwrap import indent
from typing import Literal, get_args

from segmake.core.declared_steps import SEGMENT, STEPS
from segmake.engines import licences
from segmake.messages import Problem, joined, say
from segmake.plan import known_errors
from segmake.plan.plan import Plan, State

# So many images are named on the screen.
_NAMED = 5

# So many images are named of those that will fail for the same reason.
_EXAMPLES = 3


def describe(plan: Plan) -> str:
    """Return the plan in plain words, for the screen."""
    # The environments of the engines have not all that this needs.
    from segmake.scripts.checks.notes import script_notes
    from segmake.scripts.definition.runs import said_of_each

    none = plan.typed.images.folder is None
    lines = [say("plan.no_images")] if none else _images(plan)
    for name, script in plan.scripts.items():
        lines.append(say("plan.script", name=name, jobs=len(script.batches), **script.counts))
        definition, runs = plan.definitions[name], script.counts["runs"]
        if each := said_of_each(definition, len(plan.images()), runs):
            lines.append(f"    {each}")
        if unread := script.counts.get("unread"):
            lines.append(say("plan.script.unread", number=unread))
        if looks := script.counts.get("to_look_at"):
            lines.append(say("plan.script.looks", number=looks))
        if gone := script.counts.get("gone"):
            lines.append(say("plan.script.gone", number=gone))
        lines += script_notes(definition, runs)
        for code, values in script.remarks:
            problem = Problem(code, **values)
            lines.append(f"  {problem.code}  {problem.what}\n    {problem.remedy}")
    return "\n".join([*lines, *_diameter(plan), *_faults(plan)])


def _diameter(plan: Plan) -> list[str]:
    """Return the remark on a diameter that was perhaps meant in µm."""
    if not plan.diameter_um or not plan.to_do[SEGMENT]:
        return []
    # A job makes no such remark, and has less to import.
    from segmake.config.small_diameter import question

    problem = question(plan.typed.segmentation.diameter, plan.diameter_um)
    return [f"  {problem.code}  {problem.what}\n    {problem.remedy}"]


def _named(plan: Plan) -> list[str]:
    """Return how many images are left out of the tables, and what is wrong about how the config names images."""
    number = len(plan.left_out_because)
    lines = [say("plan.leave_out", number=number)] if number else []
    return lines + [indent(str(problem), "  ") for problem in plan.naming_problems()]


def _faults(plan: Plan) -> list[str]:
    """Return how many images will fail, and why: by the reason, with the first of them."""
    if not plan.faults:
        return []
    lines = [say("plan.will_fail", number=len(plan.faults))]
    codes = Counter(fault.code for fault in plan.faults.values())
    for code, _ in codes.most_common():
        lines += _of_one_code({i: f for i, f in plan.faults.items() if f.code == code})
    return lines


def describe_derived(plan: Plan, place: Literal["plan", "report"]) -> list[str]:
    """Return which files are left out that were made from the images beside them, for the screen or the report."""
    if not plan.derived:
        return []
    kinds = [
        say(f"derived.{kind}", number=len(names), names=_some(names))
        for kind, names in plan.derived.items()
    ]
    number = sum(map(len, plan.derived.values()))
    lines = [say(f"{place}.derived", number=number, kinds=joined(kinds))]
    if plan.derived_before:
        lines.append(say(f"{place}.derived_before", number=plan.derived_before))
    return lines


def _looks(plan: Plan) -> list[str]:
    """Return which images have a file with another time alone."""
    lines = [say("plan.looks", number=len(plan.looks))] if plan.looks else []
    if plan.unknown:
        names = {"number": len(plan.unknown), "names": _some(plan.unknown)}
        lines.append(say("plan.unknown", **names))
    return lines


def _sets(plan: Plan) -> list[str]:
    """Return what is put together of several files, or looks like it."""
    lines = []
    if number := plan.sets.get("images"):
        lines.append(say("plan.sets", number=number, files=plan.sets["files"]))
    for what, words in (
        ("lacking", "plan.sets_lacking"),
        ("unfit", "plan.unfit"),
        ("apart", "plan.apart"),
    ):
        if names := plan.sets.get(what):
            lines.append(say(words, number=len(names), names=_some(names)))
    if proposal := plan.sets.get("proposal"):
        lines.append(say("plan.looks_like_sets", **proposal))
    return lines


def _images(plan: Plan) -> list[str]:
    """Return what there is of images, and what will be done with them."""
    segmentation = plan.typed.segmentation
    model = segmentation.model
    counts = Counter(plan.states.values())
    lines = [
        say(
            "plan.head",
            folder=", ".join(plan.typed.images.folders),
            engine=segmentation.engine,
            model=f", {model}" if model else "",
        ),
    ]
    if licence := licences.warning(segmentation):
        lines.append(f"  {licence}")
    lines.append(say("plan.found", number=len(plan.states), left_out=plan.left_out))
    lines += [say("plan.other_kinds", kinds=plan.other_kinds)] * bool(plan.other_kinds)
    lines += [
        say(f"plan.{state}", number=counts[state])
        for state in get_args(State)
        if counts[state] or state == "done"
    ]
    lines += [
        say(f"plan.unselected.{what}", number=number)
        for what, number in plan.unselected.items()
        if number
    ]
    for what in ("copies", "stopped", "lossy"):
        if number := getattr(plan, what):
            lines.append(say(f"plan.{what}", number=number))
    lines += _sets(plan)
    if plan.replaced:
        words = "plan.all_replaced" if plan.all_replaced else "plan.replaced"
        lines.append(say(words, number=plan.replaced))
    lines += [*_looks(plan), *describe_derived(plan, "plan")]
    if plan.system:
        lines.append(say("plan.system", number=len(plan.system), names=_some(plan.system)))
    if plan.hidden:
        lines.append(say("plan.hidden", number=len(plan.hidden), names=_some(plan.hidden)))
    if plan.corrections:
        lines.append(say("plan.corrected", number=len(plan.corrections)))
    for file in list(plan.outdated.values())[:_NAMED]:
        problem = Problem("SM-OUT-020", file=file)
        lines.append(f"  {problem.code}  {problem.what}\n    {problem.remedy}")
    lines += [say("plan.stray", file=file) for file in plan.stray]
    lines += _named(plan)
    lines += known_errors.describe(plan.known_errors, "plan.known_error")
    return lines + _to_do(plan)


def _to_do(plan: Plan) -> list[str]:
    """Return how many images are to be segmented, and go through the steps after that."""
    lines = []
    # What will fail is told below, and is not promised here.
    sure = {step: max(plan.to_do[step] - len(plan.faults), 0) for step in STEPS}
    if segment := plan.to_do[SEGMENT]:
        lines.append(say("plan.to_do", images=sure[SEGMENT], batches=plan.to_do["batches"]))
    # What is segmented is written, measured and drawn too, which need not be said.
    if any(plan.to_do[step] > segment for step in STEPS):
        lines.append(say("plan.after", **sure))
    elif not (segment or plan.looks or any(s.batches for s in plan.scripts.values())):
        lines.append(say("plan.nothing"))
    return lines


def _of_one_code(faults: dict[str, Problem]) -> list[str]:
    """Return why images will fail for reasons of one code: the most frequent ones, what helps below them."""
    alike: dict[tuple[str, str], list[str]] = {}
    for image, fault in faults.items():
        alike.setdefault((fault.remedy, fault.what), []).append(image)
    code = next(iter(faults.values())).code
    most = sorted(alike, key=lambda texts: -len(alike[texts]))[:_EXAMPLES]
    lines = []
    for remedy, shown in groupby(sorted(most), key=itemgetter(0)):
        for texts in shown:
            images = alike[texts]
            names = {"number": len(images), "names": _some(images, _EXAMPLES)}
            lines.append(say("plan.will_fail.why", code=code, what=texts[1], **names))
        lines.append(f"      {remedy}")
    if more := len(faults) - sum(len(alike[texts]) for texts in most):
        lines.append(say("plan.will_fail.more", code=code, number=more))
    return lines


def _some(names: list[str], most: int = _NAMED) -> str:
    """Return the first of some names."""
    return ", ".join(names[:most]) + ("..." if len(names) > most else "")
