"""How many cells of labelled real pictures are found rightly, and whether SegMake says where they are not.

    python benchmarks/accuracy.py FOLDER --work WORK [--python .environments/cellpose3/bin/python]

FOLDER holds pictures ``NAME.tif`` (or ``.tiff``, ``.png``) and their labels ``NAME_masks.tif``; ``NAME_bf.tif`` and
``NAME_fl.tif`` have those of ``NAME``. Pictures of one kind are a folder of images, as one user would have them, and
are segmented by SegMake's own steps: by the engine threshold with each of its methods, and by Cellpose 3 with the demo
model. Everything but the settings named is the default, as of a user who sets nothing. WORK keeps the results: what is
there is not computed again. Half an hour on one core.

A cell counts as found rightly if it and a mask overlap by more than half (IoU): AP is TP / (TP + FP + FN).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from skimage.measure import regionprops_table

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow")]

from tests.unit.demo.test_demo_model import average_precision  # noqa: E402

from segmake.cli import main as segmake  # noqa: E402
from segmake.config.load import load_config  # noqa: E402
from segmake.core.declared_steps import STEPS  # noqa: E402
from segmake.core.journal import Journal  # noqa: E402
from segmake.labels.labels import LabelStack  # noqa: E402
from segmake.outcome.image_rows import image_rows  # noqa: E402
from segmake.outcome.quality import CODES  # noqa: E402
from segmake.plan.make import make_plan  # noqa: E402
from segmake.plan.plan import Plan  # noqa: E402
from segmake.plan.written_plan import write_plan  # noqa: E402

MODEL = ROOT / "resources" / "models" / "segmake_demo_cp3"

# Pictures of one microscope and kind; any other is a folder of its own.
KINDS = {
    "coli_brightfield": "coli_*_bf.tif",
    "coli_fluorescence": "coli_*_fl.tif",
    "dapi": "ecoli_sent_dapi_*.tif",
    "trpL": "trpL_phase_*.tif",
}
METHODS = ("otsu", "li", "triangle", "yen")

# Of these, what SegMake says about the images is held against how well they were segmented.
JUDGED = ("local, width", "demo model", "demo model, diameter")

# From here on masks are good ones, and below here bad ones.
GOOD, BAD = 0.8, 0.5

# The command of the rule `segment`, for one folder after another: loading torch takes longer than the pictures.
SEGMENT = """
import sys
from segmake.cli import main
for folder in sys.argv[1:]:
    main(["segment", "--plan", f"{folder}/results/.segmake/plan.json", "--batch", "0001", "--out", f"{folder}/out.tsv"])
"""


def main() -> None:
    """Segment, measure, and print the tables in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--python", type=Path, default=ROOT / ".environments/cellpose3/bin/python")
    options = parser.parse_args()
    os.environ["SEGMAKE_LANG"] = "en"
    kinds = by_kind(options.folder)
    plans = {}
    for kind, pictures in kinds.items():
        images = options.work / kind / "images"
        images.mkdir(parents=True, exist_ok=True)
        for picture in pictures:
            if not (images / picture.name).exists():
                shutil.copy2(picture, images)
        for way, settings in ways(pictures).items():
            plans[kind, way] = planned(options.work / kind, way, settings)
    compute(plans, options.python)
    tell(
        {
            picture.name: {way: result(plans[kind, way], picture) for way in ways(pictures)}
            for kind, pictures in kinds.items()
            for picture in pictures
        }
    )


def by_kind(folder: Path) -> dict[str, list[Path]]:
    """Return the labelled pictures of a folder, by their kind."""
    kinds: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in (".tif", ".tiff", ".png") and labels_of(path).exists():
            kind = next((name for name, form in KINDS.items() if path.match(form)), path.stem)
            kinds.setdefault(kind, []).append(path)
    return kinds


def labels_of(picture: Path) -> Path:
    """Return where the labels of a picture are; labels have none."""
    name = picture.stem.removesuffix("_bf").removesuffix("_fl")
    return picture.with_name(f"{name}_masks.tif")


def ways(pictures: list[Path]) -> dict[str, dict[str, Any]]:
    """Return the settings to try, by their name; width and diameter are the medians of the labelled cells."""
    widths, diameters = [], []
    for picture in pictures:
        sizes = regionprops_table(
            tifffile.imread(labels_of(picture)),
            properties=("axis_minor_length", "equivalent_diameter_area"),
        )
        widths.extend(sizes["axis_minor_length"])
        diameters.extend(sizes["equivalent_diameter_area"])
    width, diameter = (round(float(np.median(sizes)), 1) for sizes in (widths, diameters))
    local = {"engine": "threshold", "method": "local"}
    demo = {"engine": "cellpose3", "model": str(MODEL), "gpu": False}
    return {
        **{method: {"engine": "threshold", "method": method} for method in METHODS},
        "local": local,
        "local, width": {**local, "diameter": width},
        "demo model": demo,
        "demo model, diameter": {**demo, "diameter": diameter},
    }


def planned(folder: Path, way: str, settings: dict[str, Any]) -> Plan:
    """Write the config of one way, and its plan."""
    own = folder / way
    own.mkdir(exist_ok=True)
    config = {
        "images": {"folder": str(folder / "images"), "include": ["*"]},
        "segmentation": settings,
        "results": str(own / "results"),
    }
    path = own / "config.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    plan, _ = make_plan(load_config(path))
    write_plan(plan)
    return plan


def compute(plans: dict[tuple[str, str], Plan], python: Path) -> None:
    """Do what the rules would do, one after the other; the network has a Python of its own."""
    of_network = [
        key for key, plan in plans.items() if plan.settings["segmentation"]["engine"] != "threshold"
    ]
    folders = [str(plans[key].folders.plan.parents[2]) for key in of_network]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run([str(python), "-c", SEGMENT, *folders], check=True, env=variables)
    for key, plan in plans.items():
        steps = STEPS if key[1] in JUDGED else ["segment"]
        for step in steps[1:] if key in of_network else steps:
            out = str(plan.outcome(step, "0001"))
            # The command sends warnings to a log that is closed when it ends.
            with warnings.catch_warnings():
                segmake([step, "--batch", "0001", "--out", out, "--plan", str(plan.folders.plan)])


def result(plan: Plan, picture: Path) -> dict[str, Any]:
    """Return how well the cells of a picture were found, and what SegMake says about it."""
    row = next(row for row in image_rows(plan) if row["image"] == picture.name)
    entry = Journal(plan.folders.journal("segment", "0001")).finished()[picture.name]
    doubts = [code for code, _ in entry.details.get("doubts", ())]
    with LabelStack(plan.folders.labels(picture.name)) as labels:
        found = np.asarray(labels.plane())
    true = tifffile.imread(labels_of(picture))
    return {
        "score": average_precision(true.astype(int), found.astype(int)),
        "flags": row["flags"],
        "unclear": CODES["unclear"] in doubts,
    }


def tell(rows: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print how well each picture was segmented, and where the flags are wrong."""
    names = list(next(iter(rows.values())))
    print(f"| picture | {' | '.join(names)} | unclear |\n|{'---|' * (len(names) + 2)}")
    for picture, results in rows.items():
        scores = " | ".join(f"{each['score']:.2f}" for each in results.values())
        print(f"| {picture} | {scores} | {'yes' if results['otsu']['unclear'] else ''} |")
    means = [np.mean([results[name]["score"] for results in rows.values()]) for name in names]
    print(f"| mean | {' | '.join(f'{mean:.2f}' for mean in means)} | |")
    print(
        f"\n| way | good: flagged | between: flagged | bad: flagged | good, but flagged "
        f"| bad, and not flagged |\n|{'---|' * 6}"
    )
    for name in JUDGED:
        all_of = {picture: results[name] for picture, results in rows.items()}
        good = [picture for picture, one in all_of.items() if one["score"] >= GOOD]
        bad = [picture for picture, one in all_of.items() if one["score"] < BAD]
        others = [picture for picture in all_of if picture not in good + bad]
        flagged = [picture for picture, one in all_of.items() if one["flags"]]
        counts = [
            f"{len(set(group) & set(flagged))} of {len(group)}" for group in (good, others, bad)
        ]
        wrong = [
            f"{picture} ({all_of[picture]['flags']})" for picture in good if picture in flagged
        ]
        missed = [picture for picture in bad if picture not in flagged]
        told = ", ".join(wrong) or "none", ", ".join(missed) or "none"
        print(f"| {name} | {' | '.join((*counts, *told))} |")


if __name__ == "__main__":
    main()
