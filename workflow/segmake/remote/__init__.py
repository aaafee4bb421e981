"""Experiments of a laptop, computed on another computer and brought back.

`remembered` says which computer an experiment is computed on (the file ``segmake.place`` beside its folder ``config``),
and which computers a user has been to; `shown_progress` shows how far a copy is.

May import `segmake.firstday` and what is below it, but needs nothing that a laptop lacks: no numpy, no Snakemake.

>>> from pathlib import Path
>>> from segmake.remote.remembered import PlaceFile, read_place, write_place
>>> place = PlaceFile("marie@login.example.org", "/home/marie/day 1", "/opt/segmake/.venv/bin/segmake")
>>> write_place(Path(), place)
>>> read_place(Path()) == place
True
"""
