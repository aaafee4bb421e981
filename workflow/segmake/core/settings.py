"""The settings of a run as a tree whose names and types a type checker knows.

It is filled from the settings of a checked config, where each has its default and its own type. Keys of results go on
being made of those settings themselves; a test holds this tree against the schema of the config.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

Section = TypeVar("Section", bound="Filled")

# A channel by its number (from 1), by its name, or the first of several names that an image has.
Channel = int | str | tuple[str, ...] | None

# All, one (from 1), or the first, the last and perhaps the step.
Numbers = int | Literal["all"] | tuple[int, ...] | None

Run = Literal["image", "dataset", "sweep", "once"]

EngineName = Literal["cellpose", "cellpose3", "omnipose", "threshold"]


class Filled:
    """A section that is filled from a mapping."""

    __slots__ = ()

    # What stays as its user wrote it, lists and all.
    AS_WRITTEN: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def of(cls: type[Section], checked: Mapping[str, Any]) -> Section:
        """Return the section of a checked config; what a plan of an earlier version lacks has its default."""
        given = checked.keys() & cls.__match_args__  # type: ignore[attr-defined]
        return cls(
            **{
                name: checked[name] if name in cls.AS_WRITTEN else _lasting(checked[name])
                for name in given
            }
        )


def _lasting(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Images(Filled):
    """The section ``images``."""

    folder: str | tuple[str, ...] | None = None
    include: tuple[str, ...] = (
        *("**/*.nd2", "**/*.tif", "**/*.tiff", "**/*.stk", "**/*.lsm", "**/*.btf", "**/*.tf8"),
        *("**/*.czi", "**/*.lif", "**/*.zarr"),
    )
    exclude: tuple[str, ...] = ()
    pattern: str | None = None
    derived: Literal["leave_out", "take"] = "leave_out"
    channel: Channel = None
    second_channel: Channel = None
    z: int | Literal["max", "mean", "best_focus", "all"] | None = None
    time: Numbers = None
    positions: Numbers = None
    pages: Literal["time", "z", "channel"] | None = None
    axes: (
        Literal[
            "slices_are_times",
            "slices_are_channels",
            "times_are_slices",
            "times_are_channels",
            "channels_are_times",
            "channels_are_slices",
        ]
        | None
    ) = None
    pixel_size_um: float | None = None

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders, however many the config names."""
        return (self.folder,) if isinstance(self.folder, str) else self.folder or ()


@dataclass(frozen=True, slots=True)
class Measurements(Filled):
    """The section ``measurements``."""

    intensity_channels: Literal["all"] | tuple[int | str, ...] = "all"
    properties: tuple[
        Literal[
            "perimeter",
            "perimeter_crofton",
            "feret_diameter_max",
            "equivalent_diameter_area",
            "axis_major_length",
            "axis_minor_length",
            "area_convex",
            "area_filled",
            "area_bbox",
            "eccentricity",
            "solidity",
            "extent",
            "euler_number",
            "orientation",
            "intensity_std",
            "intensity_median",
        ],
        ...,
    ] = ("perimeter", "eccentricity", "solidity", "orientation")
    background: float | Literal["local"] | None = None
    background_ring: tuple[float, float] = (2, 8)
    neighbour_distance: float | None = None
    exclude_edge_cells: bool = False
    smallest_area: float | None = None
    largest_area: float | None = None
    area_unit: Literal["px", "um2"] = "px"


@dataclass(frozen=True, slots=True)
class Overlays(Filled):
    """The section ``overlays``."""

    color: str = "#ffb000"
    contrast: tuple[float, float] = (0.5, 99.8)


@dataclass(frozen=True, slots=True)
class Tracking(Filled):
    """The section ``tracking``.

    Attributes
    ----------
    max_gap : int
        A cell that is not found in so many frames in a row keeps its number.
    min_overlap : float
        Part of a cell that must lie on the cell that it was, or came of, for the two to be linked.
    max_distance : float or None
        Cells that overlap with none are linked to the nearest, at most so many pixels away. None: they are not.
    """

    max_gap: int = 1
    min_overlap: float = 0.1
    max_distance: float | None = None


@dataclass(frozen=True, slots=True)
class Resources(Filled):
    """What the jobs of a script ask for."""

    gpu: int = 0
    gpu_model: str | None = None
    memory_gb: float = 4
    hours: float = 2
    cpus: int = 2
    partition: str | None = None


@dataclass(frozen=True, slots=True)
class Environment(Filled):
    """One of the users' own environments."""

    python: str = "3.11"
    packages: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    file: str | None = None
    existing: str | None = None


@dataclass(frozen=True, slots=True)
class Cluster(Filled):
    """The section ``cluster``: what the jobs ask for."""

    partition: str | None = None
    cpu_partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    sbatch_options: tuple[str, ...] = ()
    gpu_model: str | None = None
    gpu_request: Literal["gpus", "gres"] = "gpus"
    cuda_driver: str | None = None
    compute_capability: str | None = None
    max_gpus: int | None = None
    memory_gb: float = 16
    hours: float = 2
    cpus: int = 4
    batch_size: Literal["auto"] | int = "auto"


@dataclass(frozen=True, slots=True)
class Normalize(Filled):
    """How the brightness of an image is made alike, where that is told in full."""

    normalize: bool = True
    percentile: tuple[float, float] = (1, 99)
    lowhigh: tuple[float, float] | None = None
    tile_norm_blocksize: int = 0
    sharpen_radius: float = 0
    smooth_radius: float = 0
    invert: bool = False


@dataclass(frozen=True, slots=True)
class Segmentation(Filled):
    """The section ``segmentation``: what all engines have in common; the class of each has what it takes.

    What some of the engines take has here the value that says that this one does nothing of the kind.
    """

    engine: EngineName = "cellpose3"

    @property
    def diameter(self) -> float | Literal["estimate"] | None:
        """The diameter of the cells in pixels, where it is given."""
        return None

    @property
    def model(self) -> str | None:
        """The network's model: one that the engine knows by its name, or a file."""
        return None

    @property
    def rescale(self) -> float | None:
        """By how much an image is enlarged before the network sees it."""
        return None

    @property
    def do_3D(self) -> bool:
        """Whether the cells of a z-stack are found in 3D."""
        return False

    @property
    def stitch_threshold(self) -> float:
        """How much of two cells in neighbouring slices must overlap to be one; 0: slices stay apart."""
        return 0.0

    @property
    def anisotropy(self) -> float | None:
        """How many times farther apart the slices are than the pixels of a slice."""
        return None

    @property
    def gpu(self) -> Literal["auto"] | bool:
        """Whether a GPU is used."""
        return False

    @property
    def allow_cpu(self) -> bool:
        """Whether a network may run without a GPU."""
        return True

    @property
    def method(self) -> str | None:
        """How a threshold is found."""
        return None


@dataclass(frozen=True, slots=True)
class Network(Segmentation):
    """What the engines with a network take."""

    diameter: float | Literal["estimate"] | None = None
    min_size: int = 15
    model: str = "cyto3"
    models_folder: str | None = None
    flow_threshold: float = 0.4
    normalize: bool | Normalize = True
    niter: int | None = None
    resample: bool = True
    augment: bool = False
    bsize: int | None = 224
    tile_overlap: float = 0.1
    batch_size: int = 8
    gpu: Literal["auto"] | bool = "auto"
    allow_cpu: bool = False


@dataclass(frozen=True, slots=True)
class OfCellpose(Network):
    """What Cellpose 3 and Cellpose 4 take."""

    cellprob_threshold: float = 0.0
    max_size_fraction: float = 0.4
    do_3D: bool = False
    stitch_threshold: float = 0.0
    anisotropy: float | None = None
    flow3D_smooth: float | tuple[float, ...] = 0


@dataclass(frozen=True, slots=True)
class Cellpose(OfCellpose):
    """What Cellpose 4 takes."""

    engine: EngineName = "cellpose"
    model: str = "cpsam_v2"
    bsize: int | None = None
    use_bfloat16: bool = True


@dataclass(frozen=True, slots=True)
class Cellpose3(OfCellpose):
    """What Cellpose 3 takes."""

    rescale: float | None = None
    restore: (
        Literal[
            "denoise_cyto3",
            "deblur_cyto3",
            "upsample_cyto3",
            "oneclick_cyto3",
            "denoise_cyto2",
            "deblur_cyto2",
            "upsample_cyto2",
            "oneclick_cyto2",
            "aniso_cyto2",
            "denoise_nuclei",
            "deblur_nuclei",
            "upsample_nuclei",
            "oneclick_nuclei",
            "aniso_nuclei",
        ]
        | None
    ) = None
    chan2_restore: bool = False
    invert: bool = False
    interp: bool = True


@dataclass(frozen=True, slots=True)
class Omnipose(Network):
    """What Omnipose takes."""

    engine: EngineName = "omnipose"
    model: str = "bact_phase_omni"
    rescale: float | None = None
    invert: bool = False
    interp: bool = True
    mask_threshold: float = 0.0
    diam_threshold: float = 12.0
    max_size: int | None = None
    tile: bool = False
    cluster: bool = False
    suppress: bool | None = None
    affinity_seg: bool = False
    boundary_seg: bool = False
    despur: bool = False


@dataclass(frozen=True, slots=True)
class Threshold(Segmentation):
    """What threshold takes."""

    engine: EngineName = "threshold"
    diameter: float | Literal["estimate"] | None = None
    min_size: int = 15
    polarity: Literal["auto", "bright", "dark"] = "auto"
    method: Literal["otsu", "li", "triangle", "yen", "local"] = "otsu"
    smoothing: float = 1.0


ENGINES: dict[str, type[Segmentation]] = {
    "cellpose": Cellpose,
    "cellpose3": Cellpose3,
    "omnipose": Omnipose,
    "threshold": Threshold,
}


def as_written(value: Any) -> Any:
    """Return a value as the config has it, for messages: a list where it is one."""
    return list(value) if isinstance(value, tuple) else value


def segmentation_of(checked: Mapping[str, Any]) -> Segmentation:
    """Return the section ``segmentation`` of a checked config, as its engine's own class has it."""
    kind = ENGINES[checked.get("engine", "cellpose3")]
    normalize = checked.get("normalize")
    told = {"normalize": Normalize.of(normalize)} if isinstance(normalize, Mapping) else {}
    return kind.of({**checked, **told})


@dataclass(frozen=True, slots=True)
class Script(Filled):
    """A section of ``scripts``."""

    AS_WRITTEN: ClassVar[tuple[str, ...]] = ("arguments", "sweep", "set", "variables")

    name: str
    script: str
    run: Run = "image"
    needs: tuple[str, ...] | None = None
    arguments: dict[str, Any] | list[str] = field(default_factory=dict)
    environment: str | None = None
    outputs: tuple[str, ...] = ()
    sweep: dict[str, Any] = field(default_factory=dict)
    max_runs: int = 1000
    batch_size: Literal["auto"] | int = "auto"
    parallel: int | None = None
    set: dict[str, Any] = field(default_factory=dict)
    protect: bool = True
    variables: dict[str, Any] | list[str] = field(default_factory=list)
    files: tuple[str, ...] = ()
    resources: Resources = Resources()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a run."""

    images: Images = Images()
    segmentation: Segmentation = Cellpose3()
    outputs: tuple[Literal["rois", "cellpose", "ome_zarr", "xlsx"], ...] = ("rois",)
    measurements: Measurements = Measurements()
    overlays: Overlays = Overlays()
    scripts: tuple[Script, ...] = ()
    environments: Mapping[str, Environment] = field(default_factory=dict)
    cluster: Cluster = Cluster()
    tracking: Tracking | None = None
    leave_out: Mapping[str, str] = field(default_factory=dict)
    looked_at: Mapping[str, str] = field(default_factory=dict)
    results: str = "results"

    @classmethod
    def of(cls, checked: Mapping[str, Any]) -> Settings:
        """Return those of a checked config; what a plan of an earlier version lacks has its default."""
        environments = checked.get("environments") or {}
        return cls(
            images=Images.of(checked.get("images") or {}),
            segmentation=segmentation_of(checked.get("segmentation") or {}),
            outputs=tuple(checked.get("outputs", ("rois",))),
            measurements=Measurements.of(checked.get("measurements") or {}),
            overlays=Overlays.of(checked.get("overlays") or {}),
            scripts=tuple(script_section(each) for each in checked.get("scripts") or ()),
            environments={name: Environment.of(each) for name, each in environments.items()},
            cluster=Cluster.of(checked.get("cluster") or {}),
            tracking=tracking_of(checked.get("tracking")),
            leave_out=checked.get("leave_out") or {},
            looked_at=checked.get("looked_at") or {},
            results=checked.get("results", "results"),
        )


def script_section(checked: Mapping[str, Any]) -> Script:
    """Return a section of ``scripts`` of a checked config."""
    return Script.of({**checked, "resources": Resources.of(checked.get("resources") or {})})


def tracking_of(checked: Mapping[str, Any] | bool | None) -> Tracking | None:
    """Return the section ``tracking`` of a checked config; None where cells are not followed."""
    if not checked:
        return None
    return Tracking.of(checked) if isinstance(checked, Mapping) else Tracking()
