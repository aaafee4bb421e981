"""Golden values: what SegMake 0.1.0 made of some images, with the keys under which it will know its results again.

``golden.json`` has an object for each run of `tests.golden.configs`, and in it a line for each value, named after what
it is of:

``source/FILE``
    The drawn (or real) file itself. If this changes, so does everything else of it, and SegMake is not to blame.
``journal/STEP/IMAGE``, ``journal/scripts/NAME/RUN``
    How the last attempt ended, which attempt it was, and **the key** of what decides the result. A key that changes is a
    result that users compute again.
``planned/SETTINGS/STEP/IMAGE``
    The key that a result would have under other settings, with which nothing is computed here.
``images.csv/state/IMAGE``, ``.../cells/IMAGE``, ``.../batch/IMAGE``, ``images.csv/COLUMN``, ``cells.csv/COLUMN``
    The tables, a hash for each column: numbers to 7 digits. Before, each image's own table was held against ``cells.csv``.
``masks/FILE``, ``masks/FILE sizes``, ``labels/FILE``
    Axes and hash of the labels' pixels and type; what the mask says of its pixels' size. ``labels`` are those that the
    engine found, before corrections and tracking.
``lineages/``, ``rois/``, ``cellpose/``, ``ome_zarr/``, ``scripts/``
    The contents of the other files that users open.

What a neural network finds may differ a little between processors: the labels that the engine found in the run ``stack``
are in ``stack_labels.tif``, and each cell has to match one of these to 90 %. Its masks are corrected ones.

**A value changes only in a commit that says which and why.** To see which differ, and to write them anew::

    python -m tests.golden                     lists what differs; exit code 1 if anything does
    python -m tests.golden --write             writes golden.json (and stack_labels.tif), and lists what it changed
    python -m tests.golden --write plain real  the same for some of the runs

from the folder of the clone, with SegMake's Python. Runs that this machine can't do (the real
images or an engine's environment are missing) keep their values.

Beside them, ``results_0_1_0/`` holds results folders that 0.1.0 made (`tests.golden.make_old_results`): what was right in
them is never computed again (`tests.golden.test_old_results`). They are never made anew; a further case gets an archive
of its own.
"""
