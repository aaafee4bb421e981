"""What an image costs on a network's file system, where each of these is asked of the server."""

from __future__ import annotations

from collections import Counter

from segmake.cli import main
from segmake.core.declared_steps import STEPS
from segmake.plan.make import make_plan
from segmake.plan.written_plan import write_plan
from tests.unit.system_calls import counted


def test_the_four_steps_open_an_image_and_its_results_once_each(configure, draw, tmp_path):
    def cost(number: int) -> Counter[str]:
        for each in range(number):
            draw(tmp_path / "images" / f"{number}_{each}.tif")
        plan, _ = make_plan(configure(results=str(tmp_path / f"results_{number}")))
        write_plan(plan)
        (batch,) = plan.batches

        def steps() -> None:
            for step in STEPS:
                given = ["--plan", str(plan.folders.plan), "--batch", batch]
                assert main([step, *given, "--out", str(plan.outcome(step, batch))]) == 0

        found = counted(steps)
        for image in (tmp_path / "images").iterdir():
            image.unlink()
        return found

    # The first loads libraries.
    cost(1)
    few, many = cost(2), cost(6)
    for_an_image = {name: (many[name] - few[name]) / 4 for name in {*few, *many}}
    # Python opens one more by itself; the table that is not there yet is asked for by a library.
    assert for_an_image["open"] <= 18
    assert for_an_image["stat"] <= 57
    assert for_an_image["os.mkdir"] == 0
    # Eight results and their names, and eight lines of journals.
    assert for_an_image["fsync"] == 24
