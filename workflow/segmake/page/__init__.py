r"""The page in the browser: settings, and cells on one's own picture.

`server` listens and ends, `guard` says who may come in, `application` has all addresses, and `look_of` makes pages of
the templates. `fields` is what a form shows of a setting, all of it from the schema, and `draft` what the config would
be with what stands in a form; `work` has images looked at, drawn and tried where they are, and `desk` is what all pages
of an experiment share. `connection` is the one way to the computer that an experiment is computed on, `questions` what
its login asks, and `works` chooses where images are looked at and their cells found. `planning` finds out what a run
would do and starts it, and `watch` knows how far it is. The page knows nothing that the commands do not: it edits the
same config, by the same functions.

May import `segmake.remote` and what is below it, but needs nothing that a laptop lacks: no numpy, no Snakemake.

>>> from pathlib import Path
>>> from segmake.page.draft import SettingsFile
>>> Path("images").mkdir()
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation:\n  engine: threshold\n")
>>> file = SettingsFile(Path("config.yaml"))
>>> draft = file.draft({"segmentation.diameter": "24,5"}, file.first)
>>> draft.changes, draft.fresh
([('segmentation.diameter', '', '24.5')], [])
>>> [line.text for line in draft.difference if line.mark == "+"]
['  diameter: 24.5']
>>> wrong = file.draft({"segmentation.diameter": "-1"}, file.first)
>>> wrong.problems["segmentation.diameter"][0].what
"`diameter` under `segmentation` can't be -1."
"""
