"""What a user of Cellpose alone would run; nothing of SegMake is used here.

``python plain_cellpose.py CASES`` reads a JSON list of cases and writes the masks of each as an ``.npy`` file. It runs
in the environment of an engine, where there is no pytest: in that of Cellpose 3 or 4.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from cellpose import models

IS_CELLPOSE_3 = hasattr(models, "SizeModel")


def main() -> None:
    untouched = dict(models.normalize_default)
    for case in json.loads(Path(sys.argv[1]).read_text()):
        # Cellpose writes into its defaults: each case begins as a new process would.
        models.normalize_default.update(untouched)
        evaluate = load(case["model"], **case["constructor"]).eval
        for source, path in case["files"]:
            image = tifffile.imread(source)
            given = dict(case["arguments"])
            if planes := case["planes"]:
                image = np.moveaxis(image[planes], 0, -1)
            if IS_CELLPOSE_3:
                given["channels"] = [1, 2] if planes else [0, 0]
            if planes and not (IS_CELLPOSE_3 and image.ndim == 3):
                given["channel_axis"] = image.ndim - 1
            shape = image.shape[:-1] if planes else image.shape
            masks, flows = evaluate(image, **given)[:2]
            if masks.shape != shape:
                masks = brought_back(evaluate.__self__, flows, given, shape)
            np.save(path, masks)
    print(json.dumps(models.MODEL_NAMES))


def load(model: str, restore: str | None = None, **others: Any) -> Any:
    if restore is None:
        return models.CellposeModel(gpu=False, pretrained_model=model, **others)
    from cellpose.denoise import CellposeDenoiseModel

    return CellposeDenoiseModel(gpu=False, pretrained_model=model, restore_type=restore, **others)


def brought_back(
    model: Any, flows: list[np.ndarray], given: dict[str, Any], shape: tuple[int, ...]
) -> Any:
    """Return the masks at the image's size where ``upsample_`` enlarged it, by Cellpose's own function for that."""
    taken = [
        "niter",
        "cellprob_threshold",
        "flow_threshold",
        "interp",
        "min_size",
        "stitch_threshold",
    ]
    arguments = {key: given[key] for key in taken if key in given}
    vectors, probability = flows[1:3]
    if len(shape) == 2:
        vectors, probability, shape = vectors[:, np.newaxis], probability[np.newaxis], (1, *shape)
    return model.cp._compute_masks(shape, vectors, probability, **arguments)


if __name__ == "__main__":
    main()
