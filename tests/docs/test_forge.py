"""What forges and pre-commit are told is what the tests' own script does."""

from __future__ import annotations

import re

import yaml

from segmake import __version__
from tests.projects import ROOT

TEMPLATES = ROOT / ".github" / "ISSUE_TEMPLATE"


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_checks_before_a_commit_are_those_of_the_tests() -> None:
    script = (ROOT / "scripts" / "test.sh").read_text(encoding="utf-8")
    checks = re.findall(r"^check (\w.*)$", script, re.MULTILINE)
    [repository] = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = repository["hooks"]
    assert [hook["entry"] for hook in hooks] == checks and len(checks) > 4
    # Those of the environment, whose versions tests/requirements.txt pins; and of all files, as in CI.
    assert {(hook["language"], hook["pass_filenames"]) for hook in hooks} == {("system", False)}


def test_forges_run_the_one_script_and_make_the_docs_by_the_other() -> None:
    github = read(".github/workflows/ci.yml")["jobs"]
    runs = {name: [step.get("run") for step in job["steps"]] for name, job in github.items()}
    gitlab = read(".gitlab-ci.yml")
    assert "bash .ci/run" in runs["test"] and gitlab["test"]["script"] == ["bash .ci/run"]
    assert "bash scripts/docs.sh --reports" in runs["docs"]
    assert gitlab["pages"]["script"] == ["bash scripts/docs.sh --reports"]
    assert (ROOT / ".ci" / "run").read_text().endswith("exec bash scripts/test.sh\n")


def test_who_reports_a_fault_is_asked_for_the_helpfile_in_both_languages() -> None:
    for file in TEMPLATES.glob("[!c]*.yml"):
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        labels = [p["attributes"]["label"] for p in form["body"] if "label" in p["attributes"]]
        assert labels and all(" / " in label for label in labels), file.name
    assert "`segmake helpfile`" in (TEMPLATES / "bug.yml").read_text(encoding="utf-8")


def test_the_version_is_the_same_wherever_it_stands() -> None:
    """Where docs/developers/release.md says that it does."""
    places = {
        "CITATION.cff": rf"^version: {__version__}$",
        "workflow/rules/common.smk": rf'refuse_untested\("{__version__}"\)',
        "CHANGELOG.md": rf"\A# Changes\n[^#]*\n## {__version__}\b",
    }
    page = (ROOT / "docs" / "developers" / "release.md").read_text(encoding="utf-8")
    for file, wanted in places.items():
        assert re.search(wanted, (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), file
        assert f"`{file}`" in page
