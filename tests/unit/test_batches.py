from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmake.batches import assign_batches, balance, number_of_batches
from segmake.inventory import ImageFile
from segmake.readers import Header

IMAGES = {
    **dict.fromkeys(("channel", "second_channel", "z", "time", "positions", "pages")),
}


def cluster(batch_size: int | str, max_gpus: int = 4) -> dict:
    return {"images": IMAGES, "cluster": {"batch_size": batch_size, "max_gpus": max_gpus}}


AUTO = cluster("auto")


def image(name: str, megapixels: float | None = 1.0, batch: str = "", times: int = 1) -> ImageFile:
    header = None
    if megapixels is not None:
        header = Header(1000, round(megapixels * 1000), times, 1, ("1",), False, "uint16", None)
    return ImageFile(name, name, Path(name), 1, 1, batch=batch, header=header)


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 5000) | st.just(1.0), max_size=60),
    st.integers(1, 20),
)
def test_every_job_is_in_one_group_and_no_group_has_much_more_than_another(work, number):
    groups = balance(work, number)
    assert sorted(index for group in groups for index in group) == list(range(len(work)))
    assert all(group == sorted(group) for group in groups)
    loads = [sum(work[index] for index in group) for group in groups]
    loads += [0.0] * (number - len(groups))
    assert len(loads) == number
    assert max(loads) <= min(loads) + max(work, default=0) * (1 + 1e-9)


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
