"""What is wrong about a config although each setting on its own is as the schema says."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import pathspec

from segmake.config.measurement import measurement_problems
from segmake.config.schema import default_of, describe, name_of, rule_of, schema
from segmake.core.config import Config
from segmake.engines import BUILTIN_MODELS, ESTIMATE, SAM_MODELS, SAM_TILE, keeps_volume
from segmake.images.file_sets import SINGLE_FILES, Pattern
from segmake.messages import Problem
from segmake.scripts.checks.checks import script_problems


def checks(config: Config) -> Iterator[Problem]:
    """Yield what is wrong about a config although each key on its own is as the schema says."""
    segmentation = config.settings["segmentation"]
    engine = segmentation["engine"]
    written = config.written.get("segmentation") or {}
    for key, rule in schema()["properties"]["segmentation"]["properties"].items():
        engines = rule.get("x-engines")
        # Also one that another section lends (`<<: *other`), which has no line.
        if engines and engine not in engines and key in written:
            yield Problem(
                "SM-CFG-010",
                where=config.where("segmentation", key),
                key=key,
                engine=engine,
                engines=", ".join(engines),
            )
    yield from _estimate_problems(config)
    if engine in BUILTIN_MODELS:
        yield from _model_problems(config)
        yield from _network_problems(config)
    yield from script_problems(config)
    yield from _selection_problems(config)
    yield from measurement_problems(config)
    settings = config.typed
    images = settings.images
    named = "folder" in (config.written.get("images") or {})
    # One with a fault is there all the same.
    scripts = settings.scripts or ("scripts", 0) in config.lines
    if images.folder is None and named and not scripts:
        yield Problem("SM-SCR-030", where=config.where("images", "folder"))
    most = settings.cluster.max_gpus
    for index, script in enumerate(settings.scripts):
        if (gpus := script.resources.gpu) > (most or gpus):
            where = config.where("scripts", index, "resources", "gpu")
            yield Problem("SM-SCR-039", where=where, gpus=gpus, most=most)
    yield from _name_problems(config)
    for key, patterns in (("include", images.include), ("exclude", images.exclude)):
        yield from _pattern_problems(config, key, patterns)
    if images.channel is not None and images.channel == images.second_channel:
        yield Problem("SM-CFG-015", where=config.where("images", "second_channel"))
    if images.second_channel is not None and engine not in BUILTIN_MODELS:
        yield Problem("SM-CFG-022", where=config.where("images", "second_channel"), engine=engine)
    low, high = settings.overlays.contrast
    if low >= high:
        yield Problem("SM-CFG-014", where=config.where("overlays", "contrast"), low=low, high=high)


def _name_problems(config: Config) -> Iterator[Problem]:
    """Yield what is wrong about the pattern that puts files together."""
    text = config.typed.images.pattern
    try:
        if text is not None and text != SINGLE_FILES:
            Pattern(text)
    except Problem as problem:
        where = config.where("images", "pattern")
        yield Problem(problem.code, where=where, **problem.values)


def _model_problems(config: Config) -> Iterator[Problem]:
    own = config.typed.segmentation
    engine, model = own.engine, own.model
    where = config.where("segmentation", "model")
    builtin = BUILTIN_MODELS[engine]
    if model in builtin:
        return
    others = [name for name, models in BUILTIN_MODELS.items() if model in models]
    # Unlike Path's methods, these take any text for a path, and an unreadable folder for an absent file.
    path = os.path.expanduser(str(model))
    if os.path.isdir(path):
        yield Problem("SM-CFG-013", where=where, path=path)
    elif not os.path.isfile(path) and others:
        names = {"other": others[0], "models": ", ".join(builtin)}
        yield Problem("SM-CFG-032", where=where, model=model, engine=engine, **names)
    elif not os.path.isfile(path):
        nearest = difflib.get_close_matches(str(model), builtin, 1, 0.6)
        code = "SM-CFG-011" if nearest else "SM-CFG-012"
        hint = nearest[0] if nearest else ", ".join(builtin)
        yield Problem(code, where=where, model=model, models=hint, engine=engine)


def _network_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for each setting that Cellpose would silently pass over, or refuse for each image."""
    section = config.settings["segmentation"]
    normalize = section["normalize"] if isinstance(section["normalize"], dict) else {}
    if section["engine"] == "omnipose":
        yield from _omnipose_problems(config)
    else:
        yield from _cellpose_problems(config)
    for key in ("percentile", "lowhigh"):
        low, high = normalize.get(key) or (0, 1)
        if low >= high:
            where = config.where("segmentation", "normalize", key)
            name = name_of(("normalize", key))
            yield Problem("SM-CFG-031", where=where, name=name, low=low, high=high)


def _cellpose_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for settings of Cellpose 3 and 4 that do not go together."""
    section = config.settings["segmentation"]
    engine, model, bsize = section["engine"], section["model"], section["bsize"]
    rules = schema()["properties"]["segmentation"]["properties"]
    for key, other, clash in _passed_over(section):
        if clash and section[key] != default_of(rules[key], engine):
            where = config.where("segmentation", key)
            yield Problem("SM-CFG-030", where=where, key=key, other=other)
    if engine == "cellpose" and model in SAM_MODELS and bsize not in (None, SAM_TILE):
        where = config.where("segmentation", "bsize")
        yield Problem("SM-MOD-005", where=where, model=model, bsize=bsize)
    whole = [key for key in ("do_3D", "stitch_threshold") if section[key]]
    if whole and config.typed.images.z != "all":
        yield Problem("SM-VOL-001", where=config.where("segmentation", whole[0]), key=whole[0])
    if section["do_3D"] and str(section["restore"]).startswith("upsample"):
        where = config.where("segmentation", "restore")
        yield Problem("SM-VOL-004", where=where, name=section["restore"])
    if engine == "cellpose3" and isinstance(section["flow3D_smooth"], list):
        yield Problem(
            "SM-CFG-002",
            where=config.where("segmentation", "flow3D_smooth"),
            name=name_of(("segmentation", "flow3D_smooth")),
            value=json.dumps(section["flow3D_smooth"]),
            allowed=describe(rules["flow3D_smooth"]["oneOf"][0]),
        )


def _estimate_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for an estimate of the diameter that nobody can make: a network has to see single planes."""
    section = config.settings["segmentation"]
    if section["diameter"] != ESTIMATE:
        return
    others = [key for key in ("do_3D", "stitch_threshold") if section.get(key)]
    if section["engine"] not in BUILTIN_MODELS:
        others = [f"engine: {section['engine']}"]
    for other in others:
        where = config.where("segmentation", "diameter")
        yield Problem("SM-CFG-056", where=where, other=other)


def _passed_over(section: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield a setting of Cellpose, another one, and whether Cellpose passes over the first because of the other."""
    third, restored = section["engine"] == "cellpose3", section["restore"] is not None
    volume = section["do_3D"]
    yield "rescale", "diameter", third and section["diameter"] is not None
    yield "invert", "normalize", third and section["normalize"] is not True
    yield "max_size_fraction", "restore", third and restored
    yield "chan2_restore", "restore: null", third and not restored
    # The network that restores images takes these two all the same.
    yield "tile_overlap", "augment", section["augment"] and not restored
    yield "bsize", "do_3D", third and volume and not restored and section["bsize"] is not None
    yield "flow_threshold", "do_3D", volume
    yield "stitch_threshold", "do_3D", volume
    yield "flow3D_smooth", "restore", third and volume and restored
    yield "flow3D_smooth", "do_3D: false", not volume
    yield "anisotropy", "do_3D: false", not volume


def _omnipose_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for what Cellpose takes under the same name, and Omnipose does not."""
    section = config.settings["segmentation"]
    if section["max_size"] is not None and section["max_size"] <= section["min_size"]:
        where = config.where("segmentation", "max_size")
        low, high = section["min_size"], section["max_size"]
        yield Problem("SM-CFG-033", where=where, low=low, high=high)
    if section["despur"] and not section["affinity_seg"]:
        where = config.where("segmentation", "despur")
        yield Problem("SM-CFG-030", where=where, key="despur", other="affinity_seg: false")
    if section["rescale"] is not None and section["diameter"] is not None:
        where = config.where("segmentation", "diameter")
        yield Problem("SM-CFG-030", where=where, key="diameter", other="rescale")
    for key, kind in (("normalize", "boolean"), ("bsize", "integer")):
        value = section[key]
        if value is None or isinstance(value, dict):
            yield Problem(
                "SM-CFG-002",
                where=config.where("segmentation", key),
                name=name_of(("segmentation", key)),
                value=json.dumps(value, ensure_ascii=False),
                allowed=describe({"type": kind}),
            )


def _pattern_problems(config: Config, key: str, patterns: Iterable[str]) -> Iterator[Problem]:
    for index, pattern in enumerate(patterns):
        try:
            pathspec.PathSpec.from_lines("gitignore", [pattern])
        except ValueError:
            yield Problem(
                "SM-CFG-002",
                where=config.where("images", key, index),
                name=name_of(("images", key)),
                value=json.dumps(pattern, ensure_ascii=False),
                allowed=describe(rule_of(("images", key))),
            )


def _selection_problems(config: Config) -> Iterator[Problem]:
    """Yield a problem for each choice of planes that can't be meant so."""
    settings = config.typed
    images = settings.images
    for key, wanted in (("time", images.time), ("positions", images.positions)):
        if isinstance(wanted, tuple) and wanted[0] > wanted[1]:
            where = config.where("images", key)
            yield Problem("SM-CFG-034", where=where, key=key, first=wanted[0], last=wanted[1])
    apart = images.z == "all" and not keeps_volume(settings.segmentation)
    if settings.tracking and apart:
        yield Problem("SM-CFG-035", where=config.where("tracking"))
