"""Whom to ask is said with what failed, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segmake.outcome.image_rows import image_rows
from segmake.outcome.last_words import describe_end, describe_outcome, told_of
from segmake.plan.make import make_plan
from segmake.plan.written_plan import read_plan, write_plan


@pytest.fixture
def plan(site_file, configure, draw, tmp_path):
    site_file("contact: Jo, room 3\n")
    draw(tmp_path / "images" / "a.tif")
    plan, _ = make_plan(configure())
    write_plan(plan)
    # Jobs know it by the plan.
    return read_plan(plan.folders.plan)


def test_whom_to_ask_is_said_where_something_failed(plan):
    told = told_of(plan, image_rows(plan))
    assert "Whom to ask: Jo, room 3" in describe_end(plan, told, [])
    assert "Whom to ask: Jo, room 3" in describe_outcome(plan)
    assert "Whom to ask" not in describe_end(replace(plan, contact=""), told, [])


def test_nobody_is_named_where_all_went_well(plan):
    rows = [{**row, "state": "done", "cells": 2} for row in image_rows(plan)]
    told = told_of(plan, rows)
    assert "Jo" not in describe_end(plan, told, [])
