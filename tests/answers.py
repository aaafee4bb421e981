"""Holds what SegMake answers in JSON to the schemas that it brings, and has it read by programs that are no Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

import segmake.answers
from tests.projects import ROOT, Project

SCHEMAS = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
    for path in Path(segmake.answers.__file__).parent.glob("schemas/*.json")
}
REGISTRY: Registry = Registry().with_resources(
    (schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()
)


def held(said: str) -> dict[str, Any]:
    """Return an answer that was written, once it is as its schema says: one object on one line, in ASCII."""
    assert said.isascii() and said.endswith("\n") and said.count("\n") == 1
    answer = json.loads(said)
    return held_to_its_schema(answer)


def held_to_its_schema(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer once it is as its schema says."""
    schema = SCHEMAS[answer["answer"]]
    assert answer["version"] == int(schema["$id"].rpartition(":")[2])
    Draft202012Validator(schema, registry=REGISTRY, format_checker=FormatChecker()).validate(answer)
    return answer


def ask(project: Project, *words: str, code: int = 0) -> str:
    """Return what a command answers in a user's folder; nothing else may be said."""
    done = subprocess.run(
        [sys.executable, "-m", "segmake", *words, "--json"],
        cwd=project.folder,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, ""), done.stderr
    held(done.stdout)
    return done.stdout


def read_by(consumer: str, said: str) -> str:
    """Return what a program of tests/consumers makes of an answer."""
    program = ROOT / "tests" / "consumers" / consumer
    if shutil.which("perl") is None:
        pytest.skip("perl is not on this machine")
    read = subprocess.run(
        ["perl", str(program)], input=said, capture_output=True, text=True, check=False
    )
    assert read.returncode == 0 and not read.stderr, read.stderr
    return read.stdout
