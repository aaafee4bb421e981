"""What tells by sizes alone that results are as they were."""

from __future__ import annotations

from segmake.core.declared_steps import MASKS
from segmake.plan.result_paths import ResultPaths
from segmake.plan.sizes import sizes_of


def test_sizes_tell_nothing_of_what_users_save_in_whatever_was_noted_of_it(tmp_path):
    folders = ResultPaths(tmp_path, ("cellpose",))
    row = ["a.tif", "images/a.tif", 0, 0, "key", 1, False, False, (0, 0, ""), ""]
    needed, _ = folders.names(MASKS, tracked=False)
    record = {f"{before}a{after}": (9, "checksum") for before, after in needed}
    edited = next(name for name in record if name.endswith("_seg.npy"))
    for noted in ((9, "checksum"), (None, None)):
        # What is left of a damaged journal may be a line all the same.
        assert sizes_of(folders, {MASKS: [row]}, {MASKS: [record | {edited: noted}]}) is None
