"""The programs that find cells, one module each.

An engine is a module with

- ``addresses(settings)``: return where the files with the weights come from (only where there is a model),
- ``fetch(settings)``: return the files with the weights, which are downloaded first where that is needed (only where
  there is a model),
- ``load(settings)``: called once in a job,
- ``predict(loaded, planes)``: run the network on one field of view; reads no file,
- ``masks(loaded, prediction)``: make the labels of what it gave; may run in another thread while ``predict`` works on
  the next field of view,
- ``parts_of_masks(loaded, prediction)``: yield what ``masks`` returns some rows at a time, so that a large picture's
  labels are nowhere as a whole; numbered from 1 without a gap (only threshold),
- ``volume(loaded, planes, anisotropy)``: make the labels of a z-stack whose slices belong together (only the engines of
  Cellpose),
- ``own_diameter(loaded)``: return the diameter that the network takes cells to have where it is told none; ``at(loaded,
  diameter)``: return the same network, which is told another (only where there is a model),
- ``unclear(loaded, planes, prediction)``: whether the engine can't tell in this picture what a cell is (only
  threshold),
- ``describe(loaded)``: the model, the device, and how many tiles the network sees at once, in words.

``settings`` is the section ``segmentation`` of the config. This module knows the engines without importing them: each
lives in an environment of its own.

May import `segmake.runner` and what is below it; an engine needs no more than `segmake.core`.

>>> import numpy
>>> from segmake.engines import engine
>>> plane = numpy.full((40, 60), 100, numpy.uint16)
>>> plane[5:15, 5:25] = plane[25:35, 30:50] = 900
>>> threshold = engine("threshold")
>>> settings = {"polarity": "bright", "method": "otsu", "smoothing": 1.0, "min_size": 15, "diameter": 10}
>>> loaded = threshold.load(settings)
>>> labels = threshold.masks(loaded, threshold.predict(loaded, [plane]))
>>> labels.shape, int(labels.max()), labels.dtype.kind
((40, 60), 2, 'i')
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from segmake.messages import Problem

if TYPE_CHECKING:
    import numpy as np

    from segmake.core.settings import Segmentation

# Of threshold, where no diameter is given: about the width of a bacterium under an objective of 100x.
SPLIT_DIAMETER = 12.0

# The names that each Cellpose downloads by itself (cellpose.models.MODEL_NAMES of 4.2.1.1 and of 3.1.1.3). The two
# transformers of Cellpose 3 are left out: they need packages that Cellpose does not bring with it.
BUILTIN_MODELS: dict[str, tuple[str, ...]] = {
    "cellpose": ("cpsam_v2", "cpsam", "cpdino", "cpdino-vitb"),
    "cellpose3": (
        "cyto3",
        "nuclei",
        "cyto2_cp3",
        "tissuenet_cp3",
        "livecell_cp3",
        "yeast_PhC_cp3",
        "yeast_BF_cp3",
        "bact_phase_cp3",
        "bact_fluor_cp3",
        "deepbacs_cp3",
        "cyto2",
        "cyto",
        "CPx",
        "neurips_cellpose_default",
        "neurips_grayscale_cyto2",
        "CP",
        "TN1",
        "TN2",
        "TN3",
        "LC1",
        "LC2",
        "LC3",
        "LC4",
    ),
    # Of cellpose_omni.models in omnipose 1.1.4; those of Cellpose itself (cyto, cyto2, nuclei) are cellpose3's.
    "omnipose": (
        "bact_phase_omni",
        "bact_fluor_omni",
        "bact_phase_affinity",
        "worm_omni",
        "worm_bact_omni",
        "worm_high_res_omni",
        "cyto2_omni",
        "plant_omni",
        "bact_phase_cp",
        "bact_fluor_cp",
        "plant_cp",
        "worm_cp",
    ),
}

# Cellpose-SAM knows the places of its tokens in a tile of this side, and no other.
SAM_TILE = 256
SAM_MODELS = ("cpsam_v2", "cpsam")

# Below such a part of the smallest size of a cell, an object is noise.
NOISE = 1 / 3

# For `diameter`: each image's is estimated from the image itself.
ESTIMATE = "estimate"

# The file of SegMake's own model.
DEMO_MODEL = "segmake_demo_cp3"

# Cellpose enlarges or reduces a picture so that cells have a diameter that its network has learned from, in pixels:
# this one, but for some models, of which it stands here with the one that cells have where the config says none.
_LEARNED_FROM = 30.0
_LEARNED_FROM_OTHER = {"nuclei": (17.0, 17.0), DEMO_MODEL: (20.0, 26.0)}

# Settings of how the cells are found, which do not decide what cells there are.
NOT_DECISIVE = ("gpu", "allow_cpu", "batch_size", "models_folder")


def needs_gpu(segmentation: Segmentation) -> bool:
    """Whether the segmentation is to run on a GPU."""
    return segmentation.engine in BUILTIN_MODELS and segmentation.gpu is not False


def keeps_volume(settings: Segmentation) -> bool:
    """Whether the slices of a z-stack are segmented together: in 3D, or one by one and then stitched."""
    return bool(settings.do_3D or settings.stitch_threshold)


def is_demo(settings: Segmentation) -> bool:
    """Whether the cells are found with SegMake's demo model."""
    return Path(settings.model or "").name == DEMO_MODEL


def enlarged(settings: Segmentation) -> float:
    """Return how many pixels the network of Cellpose sees for each pixel of a picture, as far as the config tells."""
    if settings.engine not in ("cellpose", "cellpose3"):
        return 1.0
    usual = _LEARNED_FROM, _LEARNED_FROM
    seen, own = _LEARNED_FROM_OTHER.get(Path(settings.model or "").name, usual)
    given = settings.diameter
    if isinstance(given, str) or not given:
        return (settings.rescale or seen / own) ** 2
    return (seen / given) ** 2


def refuse_flat(settings: Segmentation, depth: int) -> None:
    """Refuse an image of a single slice where slices are to be segmented together.

    Parameters
    ----------
    settings : Segmentation
        The section ``segmentation`` of the config.
    depth : int
        The number of slices.

    Raises
    ------
    Problem
        ``SM-VOL-002``
    """
    if keeps_volume(settings) and depth < 2:
        key = "do_3D" if settings.do_3D else "stitch_threshold"
        raise Problem("SM-VOL-002", key=key)


def anisotropy(
    settings: Segmentation, pixel_size_um: float | None, slice_step_um: float | None
) -> float | None:
    """Return how many times farther apart the slices of a z-stack are than the pixels of a slice.

    Parameters
    ----------
    settings : Segmentation
        The section ``segmentation`` of the config; its own ``anisotropy`` comes first.
    pixel_size_um, slice_step_um : float or None
        What the file says, in micrometres.

    Returns
    -------
    float or None
        None where nobody knows it, or nobody needs it: only ``do_3D`` does, and Cellpose then takes 1.
    """
    if not settings.do_3D:
        return None
    if settings.anisotropy is not None:
        return float(settings.anisotropy)
    if not pixel_size_um or not slice_step_um:
        return None
    return slice_step_um / pixel_size_um


def models_folder(named: str | None) -> Path:
    """Return the folder of the built-in models: the config's, else the one that Cellpose itself uses.

    Parameters
    ----------
    named : str or None
        What the config calls it.
    """
    folder = named or os.environ.get("CELLPOSE_LOCAL_MODELS_PATH") or "~/.cellpose/models"
    return Path(folder).expanduser().absolute()


def number_dropped(sizes: Any, smallest: int) -> int:
    """Return how many objects are smaller than a cell has to be.

    Parameters
    ----------
    sizes : array (N,), integers
        Of the objects, in pixels. Of a few pixels, they are noise, which nobody misses.
    smallest : int
    """
    return int(((sizes < smallest) & (sizes >= NOISE * smallest)).sum())


class Engine(Protocol):
    """What every engine's module offers.

    ``addresses``, ``fetch``, ``own_diameter`` and ``at`` only where there is a model, ``volume`` only those of
    Cellpose, ``unclear`` and ``parts_of_masks`` only threshold; ``dropped`` (how many cells were too small, of what
    `masks` just made of a plane) where the engine can tell.
    """

    addresses: Callable[[Mapping[str, Any]], dict[str, str]]
    fetch: Callable[[Mapping[str, Any]], list[Path]]
    load: Callable[[Mapping[str, Any]], Any]
    predict: Callable[[Any, list[np.ndarray]], Any]
    masks: Callable[[Any, Any], np.ndarray]
    volume: Callable[[Any, list[np.ndarray], float | None], np.ndarray]
    dropped: Callable[[Any, Any], int]
    own_diameter: Callable[[Any], float]
    at: Callable[[Any, float], Any]
    unclear: Callable[[Any, list[np.ndarray], Any], bool]
    parts_of_masks: Callable[[Any, Any], Iterator[np.ndarray]]
    describe: Callable[[Any], dict[str, str]]


def engine(name: str) -> Engine:
    """Return the module of an engine, which must be in the environment that is running."""
    return cast(Engine, import_module(f"segmake.engines.{name}"))
