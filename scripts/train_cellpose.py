"""Fine-tune a Cellpose 3 network on your own masks, such as those that you corrected.

It learns from images whose mask you corrected (docs/how-to/corrections.md); with `all`, from every image. Images of
several planes are left out, and named. From 10 images on, every fifth is kept apart: its loss shows whether the
network learns, or only remembers. `model`: what to start from, a file (`"{project}/my_model"`) or one of Cellpose's.

Makes losses.csv and models/fine_tuned: copy it to a folder of your own, and put its path behind `model` under
`segmentation` (with the one among the results, each training would call for another). In the config:

    scripts:
      - name: training
        script: segmake:train_cellpose.py
        run: dataset
        needs: [images, masks]
        arguments: {model: cyto3, epochs: 100}
        environment: training
        resources: {gpu: 1, memory_gb: 16}
    environments: {training: {packages: ["cellpose==3.1.1.3", tifffile, imagecodecs, nd2]}}
"""

import argparse
import csv
import logging
from pathlib import Path

import nd2
import tifffile
from cellpose import models, train

parser = argparse.ArgumentParser()
for name in ("--input", "--mask", "--output-dir"):
    parser.add_argument(name, type=Path, required=True)
parser.add_argument("--model", default="cyto3")
parser.add_argument("--epochs", type=int, default=100, help="under 10 the rate hardly rises from 0")
parser.add_argument("--learning-rate", type=float, default=0.1)
parser.add_argument("--crops", type=int, default=8, help="at least so many pieces per epoch")
parser.add_argument("--channel", type=int, default=1, help="the first is 1")
parser.add_argument("--all", action="store_true", help="take masks that were not corrected, too")
options = parser.parse_args()
logging.basicConfig(level=logging.INFO, format="%(message)s")
if not Path(options.model).exists() and options.model not in models.MODEL_NAMES:
    raise SystemExit(f"There is no model {options.model}.")  # Cellpose would take another one

pairs = []
with options.input.open(newline="", encoding="utf-8-sig") as table:
    rows = [row for row in csv.DictReader(table) if options.all or row["corrected"] == "true"]
for row in rows:
    number = int(row["position"]) - 1
    if row["path"].lower().endswith(".nd2"):
        with nd2.ND2File(row["path"]) as file:
            pixels, axes = file.asarray(number if "P" in file.sizes else None), [*file.sizes]
    else:
        with tifffile.TiffFile(row["path"]) as file:
            pixels, axes = file.series[number].asarray(), file.series[number].axes
    if "C" in axes or "S" in axes:
        pixels = pixels.take(options.channel - 1, axes.index("C" if "C" in axes else "S"))
    pixels, mask = pixels.squeeze(), tifffile.imread(row["mask"])
    if pixels.ndim == 2 and pixels.shape == mask.shape and mask.any():
        pairs.append((pixels, mask))
    else:
        print(f"Left out: {row['image']} has several planes, or no cell.")
if not pairs:
    raise SystemExit("No image to learn from: correct some masks, or add the argument `all: true`.")

every_fifth = slice(4, None, 5) if len(pairs) >= 10 else slice(0)
apart = pairs[every_fifth]
del pairs[every_fifth]
images, masks = map(list, zip(*pairs, strict=True))
network = models.CellposeModel(gpu=True, pretrained_model=options.model).net
settings = {"learning_rate": options.learning_rate, "SGD": True, "weight_decay": 1e-4}
settings |= {"n_epochs": options.epochs, "nimg_per_epoch": max(options.crops, len(images))}
settings |= {"channels": [0, 0], "min_train_masks": 0, "save_path": options.output_dir}
settings |= {"test_data": [image for image, _ in apart] or None}
settings |= {"test_labels": [mask for _, mask in apart] or None, "model_name": "fine_tuned"}
_, losses, losses_apart = train.train_seg(network, images, masks, **settings)
with (options.output_dir / "losses.csv").open("w", newline="") as file:
    csv.writer(file).writerow(("epoch", "loss", "loss_apart"))
    for epoch, (loss, other) in enumerate(zip(losses, losses_apart, strict=True), start=1):
        csv.writer(file).writerow((epoch, loss, other or ""))
