from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmake.core.settings import Settings
from segmake.formats import read_headers
from segmake.formats.believed import Header
from segmake.images.batches import assign_batches, balance, number_of_batches
from segmake.images.image import ImageFile
from segmake.images.inventory import take_inventory
from segmake.images.pace import seconds_per_megapixel
from segmake.messages import Problem


def cluster(batch_size: int | str, max_gpus: int = 4) -> Settings:
    return Settings.of({"cluster": {"batch_size": batch_size, "max_gpus": max_gpus}})


AUTO = cluster("auto")


def image(name: str, megapixels: float | None = 1.0, batch: str = "", times: int = 1) -> ImageFile:
    header = None
    if megapixels is not None:
        header = Header(1000, round(megapixels * 1000), times, 1, ("1",), False, "uint16", None)
    size = round((megapixels or 1.0) * times * 2e6)
    return ImageFile(name, name, Path(name), size, 1, batch=batch, header=header)


@given(
    st.lists(st.floats(0, 5000) | st.just(1.0), max_size=60),
    st.integers(1, 20),
)
def test_every_job_is_in_one_group_and_no_group_has_much_more_than_another(work, number):
    groups = balance(work, number)
    assert sorted(index for group in groups for index in group) == list(range(len(work)))
    assert all(group == sorted(group) for group in groups)
    loads = [sum(work[index] for index in group) for group in groups]
    loads += [0.0] * (min(number, len(work)) - len(groups))
    assert len(loads) == min(number, len(work))
    assert max(loads, default=0) <= min(loads, default=0) + max(work, default=0) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("megapixels", "gpus", "expected"),
    [
        (0.5, 18, 1),  # twelve small pictures are not worth twelve jobs
        (100, 18, 1),
        (101, 18, 2),
        (1000, 18, 10),
        (10_000, 18, 18),  # no more jobs than GPUs
        (
            100_000,
            18,
            54,
        ),  # but no job that loses hours when it is killed, and all GPUs busy to the end
    ],
)
def test_how_many_batches(megapixels, gpus, expected):
    assert number_of_batches(megapixels, gpus) == expected


def test_auto_gives_every_gpu_the_same_pixels():
    sizes = [400, 100, 100, 100, 100, 400, 400]
    batched = assign_batches([image(str(i), size) for i, size in enumerate(sizes)], AUTO)
    load: dict[str, int] = {}
    for one, size in zip(batched, sizes, strict=True):
        load[one.batch] = load.get(one.batch, 0) + size
    assert load == dict.fromkeys(["0001", "0002", "0003", "0004"], 400)


def test_a_movie_counts_all_its_planes():
    sizes = [("movie", 4.0, 100), *((str(number), 400.0, 1) for number in range(3))]
    batched = assign_batches([image(name, size, times=times) for name, size, times in sizes], AUTO)
    assert sorted(one.batch for one in batched) == ["0001", "0002", "0003", "0004"]


def test_a_broken_file_counts_as_a_usual_one():
    batched = assign_batches([image(str(i), None if i < 2 else 300) for i in range(4)], AUTO)
    assert sorted(one.batch for one in batched) == ["0001", "0002", "0003", "0004"]


def test_a_batch_is_bounded_by_images_too():
    small = [image(str(number), 0.001) for number in range(9000)]
    names = [one.batch for one in assign_batches(small, AUTO)]
    # Whole rounds of four jobs.
    assert sorted(names.count(name) for name in set(names)) == [1125] * 8
    old = [replace(one, batch="0001") for one in small]
    assert {one.batch for one in assign_batches(old, AUTO)} == {"0001"}, "old batches stay"
    # One that outweighs all others has a batch to itself only as long as these have room in the rest.
    uneven = [image("large", 1500.0), *(image(str(number), 0.001) for number in range(6500))]
    names = [one.batch for one in assign_batches(uneven, AUTO)]
    assert max(names.count(name) for name in set(names)) <= 2000


def test_a_header_that_claims_too_much_weighs_what_its_file_can_hold():
    claims = replace(image("claims"), size=4000, position=1, positions=2)
    claims = replace(claims, header=replace(claims.header, width=2**31, height=2**31))
    fine = [image(str(number)) for number in range(3)]
    assert {one.batch for one in assign_batches([*fine, claims], AUTO)} == {"0001"}
    assert len(balance([1.0, 1e12], 2_000_000_000)) == 2


def test_a_file_that_seems_to_have_two_positions_leaves_the_batches_of_the_others():
    images = [image(f"{number:02d}", 300.0) for number in range(12)]
    two = [
        replace(images[5], positions=2),
        replace(images[5], image="05b", position=1, positions=2),
    ]
    before, after = (
        {one.image: one.batch for one in assign_batches(found, AUTO) if one.image[:2] != "05"}
        for found in (images, [*images[:5], *two, *images[6:]])
    )
    assert before == after and len(set(before.values())) == 4


def test_a_flipped_byte_leaves_the_batches_of_the_others(configure, draw, tmp_path, monkeypatch):
    folder = tmp_path / "images"
    for number in range(12):
        draw(folder / f"{number:02d}.tif", cells=number % 3)
    flipped = folder / "05.tif"
    whole = flipped.read_bytes()
    read = cache(read_headers)

    def headers(paths):
        for path in paths:
            try:
                yield read_headers(path) if path == flipped else read(path)
            except Problem as problem:
                yield problem

    monkeypatch.setattr("segmake.images.inventory.headers_of", lambda paths: list(headers(paths)))
    monkeypatch.setattr("segmake.images.batches.SMALLEST_MEGAPIXELS", 1e-6)
    config = configure(cluster={"max_gpus": 4})

    def batches() -> dict[str, str]:
        images = take_inventory(config, tmp_path / "none").images
        return {image.image: image.batch for image in images if image.path != flipped}

    before = batches()
    assert len(set(before.values())) == 4 and len(before) == 11
    different = set()
    for place in range(260):
        for flip in (0x40, 0x01):
            flipped.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            assert batches() == before, (place, flip)
            try:
                different.update((h.width, h.height) for h in read_headers(flipped))
            except Problem:
                pass
    assert len(different) > 1, "some are read, as other pictures"


@pytest.mark.parametrize(("size", "expected"), [(1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (9, [5])])
def test_batches_of_a_fixed_size(size, expected):
    batched = assign_batches([image(str(number)) for number in range(5)], cluster(size, 2))
    names = [one.batch for one in batched]
    assert [names.count(name) for name in sorted(set(names))] == expected
    assert names == sorted(names), "neighbours stay together"


@pytest.mark.parametrize("batch_size", ["auto", 1, 100])
def test_new_images_never_change_a_batch_that_exists(batch_size):
    old = [image("a", batch="0002"), image("b", batch="0007"), image("gone", None, "0009")]
    mixed = [image("new1"), old[0], old[1], image("new2"), old[2]]
    batched = assign_batches(mixed, cluster(batch_size))
    assert [batched[index] for index in (1, 2, 4)] == old
    assert {int(batched[index].batch) >= 10 for index in (0, 3)} == {True}
    assert [replace(one, batch="") for one in batched] == [replace(one, batch="") for one in mixed]


def done(number: int, seconds: float, **details: Any) -> dict[str, Any]:
    shape = {"width_px": 1000, "height_px": 500, "times": [1, 2], "slices": [1, 2, 3]}
    image = {"image": f"{number}.tif", "event": "done", "key": "k", "attempt": 1, "time": 1.0}
    return {**image, "details": {**shape, "projection": "max", "seconds": seconds, **details}}


def test_new_images_are_divided_by_how_long_those_before_took(tmp_path):
    def note(batch: str, *lines: Any) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (tmp_path / f"{batch}.jsonl").write_text(text)

    assert seconds_per_megapixel(tmp_path / "none") is None
    old = {**done(1, 5.0), "details": {"cells": 3}}
    damaged = [done(3, float("nan")), done(4, float("inf"))]
    note("0001", old, {**done(2, 9.0), "event": "failed"}, *damaged)
    assert seconds_per_megapixel(tmp_path) is None
    # Two planes of half a megapixel, or six; the model is loaded once.
    load = {"phases": {"load": 20.0}}
    note("0002", old, done(3, 30.0, **load), done(4, 30.0, projection=None), done(5, 20.0))
    assert seconds_per_megapixel(tmp_path) == 10.0
    for number in (3, 4, 10):
        note(f"{number:04d}", done(number, 40.0))
    assert seconds_per_megapixel(tmp_path) == 40.0, "the last batches tell"
    images = [image(str(number), 10.0) for number in range(40)]
    few = {one.batch for one in assign_batches(images, cluster("auto", 2))}
    many = [one.batch for one in assign_batches(images, cluster("auto", 2), lambda: 40.0)]
    # Four hours and more: two rounds of two GPUs.
    assert len(few) == 2 and Counter(many) == dict.fromkeys(("0001", "0002", "0003", "0004"), 10)
    old_ones = [replace(one, batch="0001") for one in images]
    assert assign_batches(old_ones, cluster("auto", 2), lambda: 1 / 0) == old_ones
