"""Whole runs of an installation that has a site file."""

from __future__ import annotations

import pytest

from tests.projects import Project, installation, project  # noqa: F401


@pytest.fixture
def with_site(project: Project) -> Project:  # noqa: F811
    """A project of an installation of its own, whose site file the test writes."""
    project.root = installation(project.folder / "segmake")
    return project


def write_site(project: Project, text: str) -> None:  # noqa: F811
    (project.root / "site.yaml").write_text(text, encoding="utf-8")


def test_whom_to_ask_and_limits(with_site):
    write_site(with_site, "contact: Jo, room 3\nlimits: {cpus: 2}\n")
    with_site.settings["cluster"] = {"cpus": 3}
    refused = with_site.run()
    assert refused.returncode == 1 and "SM-SIT-005" in refused.stderr
    assert "ask Jo, room 3" in refused.stderr and "site.yaml, line 2" in refused.stderr
    with_site.settings["cluster"] = {}
    # One image is cut short.
    ended = with_site.run()
    assert ended.returncode == 1 and "Whom to ask: Jo, room 3" in ended.stderr
    page = (with_site.results / "report.html").read_text(encoding="utf-8")
    assert page.count("Jo, room 3") == 2


def test_results_that_were_made_with_eighteen_gpus_are_gone_on_with(with_site):
    with_site.settings["cluster"] = {"max_gpus": 18, "gpu_request": "gpus"}
    (with_site.images / "a" / "img_4.tif").unlink()
    made = with_site.run()
    assert made.returncode == 0, made.stderr
    before = with_site.tree()
    inventory = (with_site.results / ".segmake" / "inventory.tsv").read_bytes()
    del with_site.settings["cluster"]
    for text in ("", "cluster: {max_gpus: 2, partition: gpu}\nfolders: {models: /data/models}\n"):
        write_site(with_site, text)
        dry = with_site.run("-n")
        assert dry.returncode == 0 and "nothing to compute" in dry.stderr, dry.stderr
        assert "to segment" not in dry.stderr and "report" not in dry.stdout
    again = with_site.run()
    assert again.returncode == 0, again.stderr
    assert (with_site.results / ".segmake" / "inventory.tsv").read_bytes() == inventory
    changed = {name for name, was in before.items() if with_site.tree().get(name) != was}
    assert changed <= {"config/config.yaml"}
