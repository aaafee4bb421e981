r"""Reads and checks the user's config file.

`load` tells all faults of a config at once, each with its file and line, which `yaml_lines` and
`yaml_faults` know: first what
``config.schema.json`` refuses (`schema`, with the defaults and descriptions of all settings), then what does not go
`together`. `shared_paths` understands paths as users' own computers have them; `site_settings` puts in what the site
file says where a config says nothing, and holds a config against its limits. `measurement` knows what can be measured
of a cell, and `sources` where each setting comes from. `template` writes a config with a comment for every setting, its
values by `yaml_values`. All that people are told of settings has one source, ``config.schema.yaml``.

`edit` sets single settings and leaves all else in the file as it is: `setting_names` and `typed_values` understand what
a user types, `wanted_settings` is what the file is then to say (numbers `as_written`), `rewriting` changes its lines,
and `edited_text` reads them back. `in_force` is what counts for each setting.

May import `segmake.scripts.checks` and what is below it.

>>> from pathlib import Path
>>> from segmake.config.load import load_config
>>> from segmake.messages import Problems
>>> Path("images").mkdir()
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: threshold, diametre: 20}\n")
>>> try:
...     load_config(Path("config.yaml"))
... except Problems as found:
...     print(found)
SM-CFG-001  config.yaml, line 2
  `diametre` under `segmentation`: there is no such setting.
  Did you mean `diameter`?
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
>>> config = load_config(Path("config.yaml"))
>>> config.settings["segmentation"]["min_size"], config.where("segmentation", "engine")
(15, 'config.yaml, line 2')
"""
