"""Train and evaluate the demo model, a small Cellpose 3 network for synthetic bacteria.

Run from a clone, in an environment with cellpose 3.1.1.3::

    python resources/models/train_demo_model.py --minutes 60
    python resources/models/train_demo_model.py --resume --minutes 30
    python resources/models/train_demo_model.py --evaluate
    python resources/models/train_demo_model.py --evaluate --images FOLDER

Every picture that the network learns from is drawn by ``segmake.demo.synthetic``; no real picture is
used.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import queue
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from cellpose import dynamics, metrics, models, transforms, utils
from cellpose.resnet_torch import CPnet
from cellpose.train import _loss_fn_seg
from skimage import io as skio

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from segmake.demo import synthetic
from segmake.engines import cellpose3
from segmake.engines import diameter as diameter_of_cells

MODEL = Path(__file__).resolve().with_name("segmake_demo_cp3")
CHANNELS = [2, 32, 64, 128, 256]  # as in Cellpose's own models
DIAM_MEAN = 20.0  # rods of 10 x 30 pixels: what the network sees after rescaling
DIAM_LABELS = 26.0  # used when no diameter is given: bacteria 0.85 um wide at 0.065 um per pixel
CROP = 104
BATCH = 8
POOL = 320  # fields kept to draw crops from
FRESH = 2  # new fields per step
HELD_OUT_SEED = 900_000_000  # training seeds stay below


# ------------------------------------------------------------ training data


def normalize(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale grey values to 0..1 between two percentiles, as Cellpose does for a whole picture.

    A crop has more cell in it than the picture it stands for, so half of the time the percentiles
    are taken as if most of the cells were not there.
    """
    values = image[::2, ::2]
    if rng.random() < 0.5:
        cell = labels[::2, ::2] > 0
        keep = ~cell | (rng.random(cell.shape) < rng.uniform(0, 0.3))
        values = values[keep] if keep.sum() > 200 else values
    low, high = np.percentile(values, [1, 99])
    return np.clip((image - low) / max(high - low, 1e-3), -20, 60).astype(np.float32)


def training_field(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Draw a field; return the picture (2, Y, X), its targets (3, Y, X) and its diameter."""
    rng = np.random.default_rng([seed, 1])
    width = float(np.exp(rng.uniform(np.log(5), np.log(20))))
    kind = str(rng.choice(synthetic.CELL_KINDS, p=[0.78, 0.07, 0.15]))
    arrangement = "empty" if rng.random() < 0.02 else None
    side = int(18 * width)
    image, labels = synthetic.draw_field(
        seed, shape=(side, side), cells=kind, arrangement=arrangement, width=width
    )
    picture = normalize(image, labels, rng)
    picture = np.stack([picture, np.zeros_like(picture)])
    targets = dynamics.labels_to_flows([labels], device=torch.device("cpu"))[0][1:]
    diameter = 2 * width if kind != "coccus" else width * rng.uniform(1, 1.8)
    return picture, targets.astype(np.float32), diameter


def draw_fields(waiting: multiprocessing.Queue, first_seed: int) -> None:
    """Draw fields for as long as the training runs; works in a process beside it."""
    torch.set_num_threads(1)
    training = multiprocessing.parent_process()
    seed = first_seed
    item = training_field(seed)
    while training is not None and training.is_alive():
        try:
            waiting.put(item, timeout=5)
        except queue.Full:
            continue
        seed += 1
        item = training_field(seed)


def make_batch(pool: list, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut rotated, rescaled crops out of random fields of the pool."""
    chosen = [pool[i] for i in np.random.randint(0, len(pool), size)]
    pictures, targets, diameters = zip(*chosen, strict=True)
    rescale = np.array(diameters) / DIAM_MEAN
    return transforms.random_rotate_and_resize(
        list(pictures), Y=list(targets), rescale=rescale, scale_range=0.6, xy=(CROP, CROP)
    )[:2]


# ------------------------------------------------------------ training


def learning_rate(step: int, done: float, peak: float) -> float:
    """Warm up for 30 steps, stay, and fall along a cosine in the last half."""
    warm = min(1.0, (step + 1) / 30)
    fall = 1.0 if done < 0.5 else 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (done - 0.5) / 0.5))
    return peak * warm * fall


def save(net: CPnet, path: Path) -> None:
    """Write the weights in half precision, with the diameters that Cellpose reads from them."""
    weights = {
        name: value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        for name, value in net.state_dict().items()
    }
    weights["diam_mean"] = torch.tensor([DIAM_MEAN])
    weights["diam_labels"] = torch.tensor([DIAM_LABELS])
    part = path.with_name(path.name + ".part")
    torch.save(weights, part)
    part.replace(path)


def train(arguments: argparse.Namespace) -> None:
    """Train until the steps or the minutes are over, and write the weights."""
    torch.manual_seed(arguments.seed)
    np.random.seed(arguments.seed)
    torch.set_flush_denormal(True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = CPnet(CHANNELS, 3, sz=3, diam_mean=DIAM_MEAN).to(device)
    if arguments.resume:
        net.load_model(str(arguments.model), device=device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=arguments.rate, weight_decay=1e-4)
    net.train()

    context = multiprocessing.get_context("spawn")
    waiting = context.Queue(maxsize=16)
    first_seed = 10_000_000 * arguments.seed
    worker = context.Process(target=draw_fields, args=(waiting, first_seed), daemon=True)
    worker.start()
    pool = [waiting.get() for _ in range(48)]
    start, step, losses = time.time(), 0, []
    while True:
        minutes = (time.time() - start) / 60
        done = step / arguments.steps if arguments.steps else minutes / arguments.minutes
        if done >= 1:
            break
        pool = (pool + [waiting.get() for _ in range(FRESH)])[-POOL:]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, done, arguments.rate)
        pictures, targets = make_batch(pool, BATCH)
        predicted = net(torch.from_numpy(pictures).to(device))[0]
        loss = _loss_fn_seg(targets, predicted, device)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        step += 1
        if step % 25 == 0:
            print(f"step {step}  {minutes:.1f} min  loss {np.mean(losses[-25:]):.4f}", flush=True)
        if step % 100 == 0:
            save(net, arguments.model)
    worker.terminate()
    save(net, arguments.model)
    print(f"{step} steps in {(time.time() - start) / 60:.1f} min: {arguments.model.name}")


# ------------------------------------------------------------ evaluation


def precision(model, image: np.ndarray, labels: np.ndarray, diameter: float | None) -> float:
    """Average precision at an overlap (IoU) of 0.5 of what the model finds in a picture."""
    masks = model.eval(image, diameter=diameter, channels=[0, 0])[0]
    return float(metrics.average_precision(labels, masks, threshold=[0.5])[0][0])


Field = tuple[str, np.ndarray, np.ndarray, float]


def held_out_field(seed: int, group: str, kind: str, **drawing: str) -> Field:
    """Draw a held-out picture: group, image, labels and diameter."""
    width = float(np.random.default_rng(seed).uniform(6, 18))
    side = int(16 * width)
    image, labels = synthetic.draw_field(
        seed, shape=(side, side), cells=kind, width=width, **drawing
    )
    return group, image, labels, width * (1.4 if kind == "coccus" else 2)


def rods_and_cocci(per_group: int = 4) -> Iterator[Field]:
    """Draw rods and cocci in phase contrast and fluorescence, sparse, in colonies and dense."""
    for arrangement in ("sparse", "colony", "dense"):
        groups = itertools.product(("rod", "coccus"), ("phase", "fluorescence"))
        for number, (kind, modality) in enumerate(groups):
            for index in range(per_group):
                seed = HELD_OUT_SEED + 500_000 + 1000 * number + index
                drawing = {"modality": modality, "arrangement": arrangement}
                yield held_out_field(seed, f"{modality} {kind} {arrangement}", kind, **drawing)


def mixed_fields(per_group: int = 8) -> Iterator[Field]:
    """Draw pictures of all kinds, brightfield and filaments too, arranged at random."""
    groups = [(modality, "rod") for modality in synthetic.MODALITIES]
    groups += [("phase", "coccus"), ("fluorescence", "coccus"), ("phase", "filament")]
    for number, (modality, kind) in enumerate(groups):
        for index in range(per_group):
            seed = HELD_OUT_SEED + 1000 * number + index
            yield held_out_field(seed, f"{modality} {kind}", kind, modality=modality)


def evaluate_synthetic(model, title: str, fields: Iterator[Field]) -> None:
    """Print the average precision on held-out synthetic pictures, by group."""
    scores: dict[str, list[float]] = {}
    for group, image, labels, diameter in fields:
        scores.setdefault(group, []).append(precision(model, image, labels, diameter))
    print(f"{title:34} {'AP@0.5':>7} {'worst':>7} {'number':>7}")
    for group, values in scores.items():
        print(f"{group:34} {np.mean(values):7.3f} {min(values):7.3f} {len(values):7}")
    everything = [value for values in scores.values() for value in values]
    print(f"{'all':34} {np.mean(everything):7.3f} {min(everything):7.3f} {len(everything):7}")


def labelled_images(folder: Path):
    """Yield name, image, labels of ``NAME.*`` with ``NAME_masks.tif`` (less a suffix, if any)."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in (".tif", ".tiff", ".png") or path.stem.endswith("_masks"):
            continue
        stems = (path.stem, path.stem.rsplit("_", 1)[0])
        masks = [folder / f"{s}_masks.tif" for s in stems if (folder / f"{s}_masks.tif").exists()]
        if not masks:
            continue
        image = skio.imread(path) if path.suffix == ".png" else tifffile.imread(path)
        image = image[..., :3].mean(axis=-1) if image.ndim == 3 else image
        yield path.name, image, tifffile.imread(masks[0])


def loaded(path: Path) -> Any:
    """Load a model as SegMake does, to have diameters estimated."""
    settings = {"model": str(path), "models_folder": None, "gpu": None, "allow_cpu": True}
    others = {"restore": None, "chan2_restore": False, "batch_size": 8, "bsize": None}
    return cellpose3.load({**settings, **others, "diameter": None})


def evaluate_images(model, path: Path, folder: Path, diameters: list[float]) -> None:
    """Print the average precision on labelled images, at several diameters."""
    print(
        "Columns: the model's default diameter; the median diameter of the labels; the diameter that is estimated "
        "from the image; then as asked."
    )
    print(
        f"{'image':30} {'cells':>6} {'default':>8} {'labels':>15} {'estimate':>15}",
        *(f"{d:7g}" for d in diameters),
    )
    network = loaded(path)
    groups: dict[str, list[list[float]]] = {}
    for name, image, labels in labelled_images(folder):
        median = float(utils.diameters(labels)[0])
        estimate = diameter_of_cells.estimate(cellpose3, network, [image])
        tried = [None, median, estimate, *diameters]
        scores = [precision(model, image, labels, d) for d in tried]
        group = re.sub(r"\d+", "", Path(name).stem)
        groups.setdefault(group, []).append(scores)
        rest = " ".join(f"{score:7.3f}" for score in scores[3:])
        cells = len(np.unique(labels)) - 1
        given = f"{scores[1]:7.3f} ({median:4.1f}) {scores[2]:7.3f} ({estimate:4.1f})"
        print(f"{name:30} {cells:6} {scores[0]:8.3f} {given} {rest}")
    for group, rows in groups.items():
        means = " ".join(f"{value:7.3f}" for value in np.mean(rows, axis=0))
        print(f"mean of {group} ({len(rows)}): {means}")


def main() -> None:
    """Train or evaluate, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model", type=Path, default=MODEL, help="weight file (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, help="train for this many steps")
    parser.add_argument("--minutes", type=float, default=60, help="or for so long (default: 60)")
    parser.add_argument("--resume", action="store_true", help="go on from the weights in --model")
    parser.add_argument("--seed", type=int, default=1, help="another one for another run, 1 to 80")
    parser.add_argument("--rate", type=float, default=0.003, help="highest learning rate")
    parser.add_argument("--threads", type=int, help="CPU threads for the training")
    parser.add_argument("--evaluate", action="store_true", help="do not train, evaluate")
    parser.add_argument("--images", type=Path, help="with --evaluate: a folder of labelled images")
    parser.add_argument(
        "--diameter", type=float, nargs="*", default=[], help="more diameters to try"
    )
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if not arguments.evaluate:
        train(arguments)
        return
    model = models.CellposeModel(
        gpu=torch.cuda.is_available(), pretrained_model=str(arguments.model)
    )
    evaluate_synthetic(model, "held-out rods and cocci", rods_and_cocci())
    evaluate_synthetic(model, "held-out pictures of all kinds", mixed_fields())
    if arguments.images:
        evaluate_images(model, arguments.model, arguments.images, arguments.diameter)


if __name__ == "__main__":
    main()
