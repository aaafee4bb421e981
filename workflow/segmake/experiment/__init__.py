r"""Folders of experiments, which share one installation of SegMake.

Each has a config, images and results of its own. `new` makes one; `seen` looks at the images that it is to have,
`carried` takes over the settings of another one, and `examples` has those to begin with, with images that are drawn.

May import `segmake.demo` and what is below it; it needs no more than `segmake.config` and what is below that.

>>> from pathlib import Path
>>> from segmake.config.load import load_config
>>> from segmake.experiment.new import make_experiment
>>> print(make_experiment(Path("growth"), "en").splitlines()[0])
Made: growth/config/config.yaml. Results will be beside it, in growth/results.
>>> config = Path("growth", "config", "config.yaml")
>>> _ = config.write_text(config.read_text().replace("diameter: null", "diameter: 12"))
>>> _ = make_experiment(Path("growth_2"), "en", other=Path("growth"))
>>> load_config(Path("growth_2", "config", "config.yaml"), images=False).settings["segmentation"]["diameter"]
12.0
"""
