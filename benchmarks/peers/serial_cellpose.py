"""The batch function of napari-serialcellpose over a folder, as its window calls it, without the window.

python benchmarks/peers/serial_cellpose.py MODEL FOLDER IMAGE...

The package itself asks for Qt as soon as it is imported; the module with the function does not.
"""

import importlib.util
import sys
import types
from pathlib import Path

from cellpose import models

# What the window offers first, without what needs a choice of channels.
PROPERTIES = ("label", "area", "centroid", "perimeter", "eccentricity", "orientation", "solidity")
PROPERTIES += ("axis_major_length", "axis_minor_length")
PROPERTIES += ("intensity_mean", "intensity_max", "intensity_min")

(place,) = importlib.util.find_spec("napari_serialcellpose").submodule_search_locations
package = types.ModuleType("napari_serialcellpose")
package.__path__ = [place]
sys.modules["napari_serialcellpose"] = package
from napari_serialcellpose.serial_analysis import run_cellpose  # noqa: E402

model = models.CellposeModel(gpu=False, pretrained_model=sys.argv[1])
folder = Path(sys.argv[2])
folder.mkdir(exist_ok=True)
for image in map(Path, sys.argv[3:]):
    run_cellpose(
        image, None, model, folder, clear_border=False, channel_measure=0, properties=PROPERTIES
    )
