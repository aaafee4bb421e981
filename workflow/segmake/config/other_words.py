"""Settings by the names and values that Cellpose, Omnipose and ImageJ have for them, and where SegMake has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def problem_of_name(where: str, key: str, name: str) -> Problem | None:
    """Return the problem of a setting that has its name from another program; None for any other name.

    Parameters
    ----------
    where : str
        Its place.
    key : str
        What it is called.
    name : str
        The same for messages.
    """
    sentence = _SENTENCES.get(key.lower().replace("-", "_"))
    return Problem("SM-CFG-065", where=where, name=name, said=say(sentence)) if sentence else None


def problem_of_value(
    given: Any, names: tuple[str, ...], words: Mapping[str, str]
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
    """
    if isinstance(given, list) and 0 in given:
        given = 0
    if isinstance(given, bool) or given != 0:
        return None
    if names == ("segmentation", "diameter"):
        return Problem("SM-CFG-067", **words)
    if len(names) == 2 and names[0] == "images" and names[1] in _COUNTED:
        special = names[1] if names[1].endswith("channel") else ""
        said = say(f"words.counted.{special}" if special else "words.counted")
        return Problem("SM-CFG-068", said=said, **words)
    return None
