"""Runs from the page on a real cluster, here and behind a login: what it has, what jobs ask for, why they wait."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from playwright.sync_api import expect

from segmake.messages import LANGUAGES, say
from segmake.remote.remembered import PlaceFile, write_place
from tests.page.browser import make_experiment, served
from tests.page.conftest import PATIENCE_MS, browser  # noqa: F401
from tests.page.test_run import OVER, STATE, start, wait_for_plan
from tests.projects import draw_image
from tests.slurm import cluster
from tests.slurm.test_lost_runs import drain, resume
from tests.slurm.test_remote import login  # noqa: F401

# What jobs ask for that this cluster has.
CLUSTER = {
    "segmentation.engine": "threshold",
    "cluster.partition": "gpu",
    "cluster.memory_gb": "1",
    "cluster.cpus": "1",
}


@pytest.mark.long
def test_a_run_on_the_cluster_by_clicks(
    slurm: None,
    browser: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    for number in (1, 2):
        draw_image(tmp_path / "images" / f"{number}.tif", number, seed=number)
    experiment = make_experiment(tmp_path / "growth", tmp_path / "images", **CLUSTER)
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


# What is behind the login is a cluster: its first look at jobs comes after 40 s.
RUN_MS = 4 * PATIENCE_MS


@pytest.mark.long
@pytest.mark.parametrize("spoken", LANGUAGES)
def test_a_round_on_a_cluster_behind_a_login_by_clicks(
    login: str,  # noqa: F811
    browser: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoken: str,
) -> None:
    monkeypatch.setenv("SEGMAKE_LANG", spoken)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own settings"))
    images = tmp_path / "my images"
    for number in (1, 2):
        draw_image(images / f"été {number}.tif", number, seed=number)
    (images / "broken.tif").write_bytes(b"II*\0")
    # Long ago: else they may be growing.
    for image in images.iterdir():
        os.utime(image, (1.7e9, 1.7e9))
    experiment = make_experiment(tmp_path / "growth", images, spoken, **CLUSTER)
    there = tmp_path / "cluster" / "growth"
    write_place(experiment, PlaceFile(login, str(there), f"{sys.prefix}/bin/segmake"))

    with served(experiment) as page, browser.new_context() as context:
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE_MS)
        state, plan = tab.locator(STATE), tab.locator("#h-plan")
        tab.goto(page.address)
        tab.wait_for_url(f"{page.root}/")
        tab.locator("nav a[href='/start']").click()
        tab.locator("button[value=send]").click()
        expect(plan).to_have_text(say("page.start.to_do", number=3), timeout=RUN_MS)
        expect(tab.locator("section[aria-labelledby=h-fail]")).to_contain_text("broken.tif")
        expect(tab.locator("section[aria-labelledby=h-jobs] tr.chosen")).to_contain_text("gpu")
        start(tab)
        # They are jobs of that cluster.
        jobs = tab.locator("section[aria-labelledby=h-jobs] tbody tr")
        expect(jobs.first).to_be_visible(timeout=RUN_MS)
        expect(state).to_have_text(OVER[spoken], timeout=RUN_MS)
        expect(tab.locator(".tiles li.done strong")).to_have_text("2")
        expect(tab.locator(".tiles li.failed strong")).to_have_text("1")
        expect(tab.locator("section[aria-labelledby=h-failed]")).to_contain_text("broken.tif")
        # It is repaired here, sent, and computed alone.
        shutil.copyfile(images / "été 1.tif", images / "broken.tif")
        os.utime(images / "broken.tif", (1.71e9, 1.71e9))
        tab.locator(".actions a[href='/start']").click()
        tab.locator("button[value=send]").click()
        expect(plan).to_have_text(say("page.start.to_do", number=1), timeout=RUN_MS)
        start(tab)
        expect(state).not_to_have_text(OVER[spoken])
        expect(state).to_have_text(OVER[spoken], timeout=RUN_MS)
        expect(tab.locator(".tiles li.done strong")).to_have_text("3")
        expect(tab.locator(".tiles li.failed")).to_have_count(0)
        tab.get_by_label(say("page.follow.tick.masks")).check()
        tab.locator("button[value=fetch]").click()
        with tab.expect_popup() as opened:
            tab.locator("a[href='/results/report.html']").click()
        report = opened.value
        expect(report.locator("html")).to_have_attribute("lang", spoken)
        expect(report.locator("body")).to_contain_text("broken")
        expect(report.locator(".card img").first).not_to_have_js_property("naturalWidth", 0)
        tab.locator(".errand .said", has_text=str(experiment / "results")).wait_for()
    results = experiment / "results"
    assert {each.name.partition("_mask")[0] for each in results.glob("masks/**/*.tif")} == {
        *("été 1", "été 2", "broken")
    }
    table = (results / "cells.csv").read_text(encoding="utf-8-sig")
    assert all(name in table for name in ("été 1", "été 2", "broken"))
