"""A run from the page on a real cluster: what it has, what a job asks for, jobs that wait and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from tests.page.browser import make_experiment, served
from tests.page.conftest import PATIENCE_MS, browser  # noqa: F401
from tests.page.test_run import OVER, STATE, start, wait_for_plan
from tests.projects import draw_image
from tests.slurm import cluster
from tests.slurm.test_lost_runs import drain, resume


@pytest.mark.long
def test_a_run_on_the_cluster_by_clicks(
    slurm: None,
    browser: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    for number in (1, 2):
        draw_image(tmp_path / "images" / f"{number}.tif", number, seed=number)
    experiment = make_experiment(
        tmp_path / "growth",
        tmp_path / "images",
        **{
            "segmentation.engine": "threshold",
            "cluster.partition": "gpu",
            "cluster.memory_gb": "1",
            "cluster.cpus": "1",
        },
    )
    try:
        with served(experiment) as page, browser.new_context() as context:
            tab = context.new_page()
            tab.set_default_timeout(PATIENCE_MS)
            tab.goto(page.address)
            tab.wait_for_url(f"{page.root}/")
            tab.goto(f"{page.root}/start")
            wait_for_plan(tab)
            jobs = tab.locator("section[aria-labelledby=h-jobs]")
            expect(jobs.locator("tr.chosen")).to_contain_text("gpu")
            request = jobs.get_by_text("The request as Slurm gets it")
            request.click()
            expect(jobs.locator("pre")).to_contain_text("#SBATCH")
            # What was typed is saved, and planned anew before it is started.
            tab.locator("#cluster\\.hours").fill("0:05")
            tab.get_by_text("1 setting changed").wait_for()
            tab.locator("button[value=start]").click()
            tab.get_by_text("this is the plan of now").wait_for()
            wait_for_plan(tab)
            assert '\n  hours: "0:05"\n' in page.config.read_text()
            drain()
            try:
                start(tab)
                expect(tab.locator(STATE)).to_have_text("The run waits for the cluster")
                tab.locator("section[aria-labelledby=h-jobs]", has_text="waiting").wait_for()
            finally:
                resume()
            expect(tab.locator(STATE)).to_have_text(OVER["en"])
            expect(tab.locator(".tiles")).to_contain_text("2 done")
    finally:
        cluster.empty()
