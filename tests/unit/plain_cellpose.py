"""What a user of Cellpose alone would run; nothing of SegMake is used here.

``python plain_cellpose.py CASES`` reads a JSON list of cases and writes the masks of each as an ``.npy`` file. It runs
in the environment of the engine, where there is no pytest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tifffile
from cellpose import models


def main() -> None:
    for case in json.loads(Path(sys.argv[1]).read_text()):
        model = models.CellposeModel(gpu=False, pretrained_model=case["model"])
        for source, masks in case["files"]:
            image = tifffile.imread(source)
            if case["channels"] != [0, 0]:
                image = np.moveaxis(image[case["planes"]], 0, -1)
            found = model.eval(image, channels=case["channels"], **case["arguments"])[0]
            np.save(masks, found)
    print(json.dumps(models.MODEL_NAMES))


if __name__ == "__main__":
    main()
