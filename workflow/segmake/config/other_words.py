"""Settings by the names and values that Cellpose, Omnipose and ImageJ have for them, and where SegMake has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from segmake.config.yaml_values import in_one_line
from segmake.messages import Problem, say

# What each sentence is said of, in lower case; a dash counts as _.
_SAID = {
    "words.channels": "channels chan chan2 nuclear_channel cyto_channel all_channels",
    "words.axes": "channel_axis z_axis t_axis nchan dimension_order axes",
    "words.model": "model_type pretrained_model add_model net_type",
    "words.gpu": "use_gpu gpu_device device cuda",
    "words.omni": "omni omnipose",
    "words.diameter": "diam diam_mean mean_diameter cell_diameter",
    "words.folder": "dir image_path img_dir input input_folder",
    "words.include": "img_filter mask_filter file_filter",
    "words.outputs": "save_tif save_png save_rois save_flows save_outlines save_txt save_mpl no_npy in_folders",
    "words.edges": "exclude_on_edges exclude_edges",
    "words.normalize": "no_norm norm norm_percentile percentile normalization tile_norm sharpen smooth",
    "words.pixel": "pixel_width pixel_height pixel_size pixelsize pixel_size_x set_scale scale voxel_size",
    "words.slices": "voxel_depth spacing z_step pixel_size_z",
    "words.projection": "projection z_project z_projection",
    "words.size": "min_area max_area minimum_size area_range circularity",
    "words.threshold": "threshold auto_threshold threshold_method",
    "words.blur": "gaussian_blur blur sigma gaussian",
    "words.light": "dark_background light_background white_background",
    "words.restore": "restore_type denoise",
    "words.needless": "verbose look_one_level_down net_avg fast_mode mkldnn num_workers nclasses dim savedir",
}
_SENTENCES = {word: sentence for sentence, words in _SAID.items() for word in words.split()}

# What is counted from 1, and what null stands for at 0.
_COUNTED = ("channel", "second_channel", "z", "time", "positions")


# Of these, `engine: threshold` has none, or another thing by that name.
_NETWORKS = ("words.model", "words.gpu", "words.diameter")


def problem_of_name(where: str, key: str, name: str, engine: str = "") -> Problem | None:
    """Return the problem of a setting that has its name from another program; None for any other name.

    Parameters
    ----------
    where : str
        Its place.
    key : str
        What it is called.
    name : str
        The same for messages.
    engine : str
        The engine of the config, where it is known.
    """
    sentence = _SENTENCES.get(key.lower().replace("-", "_"))
    if engine == "threshold" and sentence in _NETWORKS:
        sentence += ".threshold"
    return Problem("SM-CFG-065", where=where, name=name, said=say(sentence)) if sentence else None


def problem_of_value(
    given: Any, names: tuple[str, ...], words: Mapping[str, str], engine: str = ""
) -> Problem | None:
    """Return the problem of a value that means something in another program; None for any other value.

    Parameters
    ----------
    given
        What the config says, and its rule does not allow.
    names : tuple of str
        The keys that lead to it.
    words : mapping
        What every message of a value tells.
    engine : str
        The engine of the config, where it is known.
    """
    if isinstance(given, list) and 0 in given:
        given = 0
    if isinstance(given, bool) or given != 0:
        return None
    if names == ("segmentation", "diameter"):
        return Problem("SM-CFG-075" if engine == "threshold" else "SM-CFG-067", **words)
    if len(names) == 2 and names[0] == "images" and names[1] in _COUNTED:
        special = names[1] if names[1].endswith("channel") else ""
        said = say(f"words.counted.{special}" if special else "words.counted")
        return Problem("SM-CFG-068", said=said, **words)
    return None


def problem_of_named(
    given: Any, names: tuple[str, ...], words: Mapping[str, str]
) -> Problem | None:
    """Return the problem of images that ``leave_out`` or ``looked_at`` names without reasons; None for any other value.

    Parameters
    ----------
    given, names, words
        As `problem_of_value` has them.
    """
    if names[:1] not in (("leave_out",), ("looked_at",)):
        return None
    if len(names) == 2:
        # An empty reason, or none behind the colon.
        line = _with_reasons({names[1]: None}) if given in (None, "") else ""
    else:
        reasons = _reasons_in(given)
        line = f"{names[0]}: {{{_with_reasons(reasons)}}}" if reasons else ""
    if not line:
        return None
    return Problem("SM-CFG-073", where=words["where"], name=words["name"], line=line)


def _reasons_in(given: Any) -> dict[str, Any]:
    """Return the images that a text or a list names, with the reasons that a list may have; empty for anything else."""
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",")]
    found: dict[str, Any] = {}
    for item in given if isinstance(given, list) else ():
        found |= item if isinstance(item, dict) else {str(item): None}
    return {name: reason for name, reason in found.items() if name}


def _with_reasons(reasons: Mapping[str, Any]) -> str:
    """Return names with their reasons, in quotes, as in one line of YAML."""
    told = ((name, str(reason or say("named.reason"))) for name, reason in reasons.items())
    return ", ".join(
        f"{in_one_line(name)}: {json.dumps(why, ensure_ascii=False)}" for name, why in told
    )
