"""Experiments of a laptop, computed on another computer and brought back.

`remembered` says which computer an experiment is computed on (the file ``segmake.place`` beside its folder ``config``),
`claims` tells a copied experiment from a moved one, `known_computers` which computers a user has been to, and
`handed_out` what an institute says of its own. The folder `setup` makes a computer ready, once; all else is for each
day.

`session` asks SegMake over there. `sending` brings the experiment to it: `config_copy` makes the copy of its config,
in which paths are called as `laptop_paths` says, and `luggage` finds the files that it needs. `beginning` is what comes
before a run, from a terminal or the page; `running` starts it, follows and stops it, `fetching` brings its results
back; `memory` tells a file that somebody edited from one that is only older, `gone` sets aside over there what is not
here any more, and `arrival` says whether all of it is still there. All that waits for another computer runs in
`event_loop`. `passed_on` makes one copy of files that lie in many places, and `patience` is for a computer that does
not answer; `shown_progress` shows how far a copy is.

May import `segmake.firstday` and what is below it, but needs nothing that a laptop lacks: no numpy, no Snakemake.

>>> from pathlib import Path
>>> from segmake.remote.remembered import PlaceFile, read_place, write_place
>>> place = PlaceFile("marie@login.example.org", "/home/marie/day 1", "/opt/segmake/.venv/bin/segmake")
>>> write_place(Path(), place)
>>> read_place(Path()) == place
True
"""
