"""Label images and what is made of them: masks, tables, tracks, pictures.

`labels` writes and reads them a plane at a time: 0 is the background, each other number a cell. `measurement` measures
all cells of a plane at once, from their `cell_pixels`: their `shapes`, and their lengths and widths by the `rods` along
their axes. What these are says `medial_axis`, of one cell; of many, `longest_paths` go over the skeletons, and smooth
`curves` through the pixels. `cell_tables` writes the tables,
`tracking` follows cells in time, `pictures` draws their outlines, `exports` writes what other programs open, and
`corrected_masks` reads what users corrected.

May import `segmake.plan` and what is below it.

>>> import numpy
>>> from segmake.labels.medial_axis import measure_rod
>>> from segmake.labels.pictures import draw_outlines
>>> from segmake.labels.tracking import link
>>> labels = numpy.zeros((40, 60), numpy.uint16)
>>> y, x = numpy.mgrid[:40, :60]
>>> labels[numpy.hypot(numpy.maximum(abs(x - 30) - 12, 0), y - 20) <= 4.5] = 1  # 33 long, 9 wide
>>> rod = measure_rod(labels == 1)
>>> round(rod.length), round(rod.width)
(33, 9)
>>> picture = draw_outlines(numpy.zeros((40, 60), numpy.uint8), labels)
>>> picture.shape, bool(picture[20, 30].any()), bool(picture[20, 14].any())
((40, 60, 3), False, True)
>>> link([labels, numpy.roll(labels, 2, axis=1)]).lineage[["track", "parent", "first_time", "last_time"]]
   track  parent  first_time  last_time
0      1       0           1          2
"""
