"""What somebody would run who has the engine alone; nothing of SegMake is used here.

``plain_call.py ORDER`` reads an object of JSON: the engine, its model and the folder of it, how many tiles at once, the
images, and the folder for the masks. It runs with the Python of the engine, and prints what it took.
"""

import json
import os
import sys
import time
from pathlib import Path

order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
os.environ["CELLPOSE_LOCAL_MODELS_PATH"] = order["models"]
began = time.time()

import numpy as np  # noqa: E402
import tifffile  # noqa: E402
import torch  # noqa: E402

# Without one, Omnipose would not take the CPU by itself.
gpu = torch.cuda.is_available() or torch.backends.mps.is_available()

if order["engine"] == "omnipose":
    from cellpose_omni import models

    model = models.CellposeModel(gpu=gpu, model_type=order["model"], omni=True)
    arguments = {"channels": [0, 0], "omni": True}
elif order["engine"] == "cellpose3":
    from cellpose import models

    model = models.CellposeModel(gpu=gpu, model_type=order["model"])
    arguments = {"channels": [0, 0]}
else:
    from cellpose import models

    model = models.CellposeModel(gpu=gpu, pretrained_model=order["model"])
    arguments = {}

loaded = time.time()
folder = Path(order["masks"])
folder.mkdir(exist_ok=True)
for name in order["images"]:
    masks = model.eval(tifffile.imread(name), batch_size=order["batch_size"], **arguments)[0]
    tifffile.imwrite(
        folder / Path(name).name, np.asarray(masks).astype("uint32"), compression="zlib"
    )
print(
    json.dumps(
        {"began": began, "loaded": loaded, "ended": time.time(), "device": str(model.device)}
    )
)
