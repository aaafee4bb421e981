"""What the site file says for a config: values for what the config leaves open, and limits that it may not exceed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from segmake.config.schema import name_of
from segmake.core.config import Config, Keys, at
from segmake.images.batches import USUAL_GPUS
from segmake.messages import Problem

# The settings of a config that each limit is for.
_LIMITED = {"max_gpus": "gpu", "hours": "hours", "memory_gb": "memory_gb", "cpus": "cpus"}


def take_from_site(config: Config) -> None:
    """Put what the site file says where the config says nothing, or null."""
    site = config.site
    said = config.written.get("cluster") or {}
    for key, value in site.cluster.items():
        if said.get(key) in (None, []):
            _put(config, ("cluster", key), value, site.where("cluster", key))
            for index in range(len(value)) if isinstance(value, list) else ():
                origin = site.where("cluster", key, index)
                config.origins["cluster", key, index] = origin
    folder = site.models_folder
    if folder and config.settings["segmentation"]["models_folder"] is None:
        where = site.where("folders", "models")
        _put(config, ("segmentation", "models_folder"), folder, where)
    for keys, limit in _limited(config):
        value = at(config.settings, keys)
        if value is not None and value > site.limits[limit] and not _is_said(config, keys):
            _put(config, keys, site.limits[limit], site.where("limits", limit))


def settle(config: Config, gpus: int | None = None, origin: str = "") -> None:
    """Put a number where neither the config nor the site file says how many GPUs may work at once, if one is known.

    Parameters
    ----------
    config : Config
    gpus : int or None
        How many the cluster has for these jobs; None or 0 where that is not known.
    origin : str
        Where that number comes from.
    """
    settings = config.typed
    if settings.cluster.max_gpus is not None:
        return
    limit = config.site.limits.get("max_gpus")
    # A job with more would never begin.
    least = max((script.resources.gpu for script in settings.scripts), default=1)
    most = max(gpus, least) if gpus else None
    if most:
        _put(config, ("cluster", "max_gpus"), most, origin)
    if limit and limit < (most or max(USUAL_GPUS, least)):
        _put(config, ("cluster", "max_gpus"), limit, config.site.where("limits", "max_gpus"))


def limit_problems(config: Config) -> Iterator[Problem]:
    """Yield where a config asks for more than the site file allows."""
    site = config.site
    for keys, limit in _limited(config):
        value = at(config.settings, keys)
        if value is not None and value > site.limits[limit]:
            written = at(config.written, keys)
            shown = written if isinstance(written, str) else f"{written:g}"
            yield site.limit_problem(config.where(*keys), name_of(keys), limit, shown)
    allowed = site.limits.get("partitions", ())
    for keys in _partitions(config) if allowed else ():
        for name in str(at(config.settings, keys) or "").split(","):
            if name and name not in allowed:
                yield site.partition_problem(config.where(*keys), name)


def _limited(config: Config) -> Iterator[tuple[Keys, str]]:
    """Yield the keys of each setting that has a limit, and the limit."""
    limits = config.site.limits
    for limit, of_script in _LIMITED.items():
        if limit in limits:
            yield ("cluster", limit), limit
            for index in range(len(config.settings["scripts"])):
                yield ("scripts", index, "resources", of_script), limit


def _partitions(config: Config) -> Iterator[Keys]:
    yield "cluster", "partition"
    yield "cluster", "cpu_partition"
    for index in range(len(config.settings["scripts"])):
        yield "scripts", index, "resources", "partition"


def _is_said(config: Config, keys: Keys) -> bool:
    return at(config.written, keys) is not None


def _put(config: Config, keys: Keys, value: Any, origin: str) -> None:
    section = at(config.settings, keys[:-1])
    section[keys[-1]] = value
    config.origins[keys] = origin
