"""Which images there are, what is selected of each, and its batch.

`listing` finds the files, `inventory` reads their headers and remembers them (`kept_headers` until a run does), and
`batches` divides the images into jobs. `field_of_view` reads the planes that the config selects, which `selection`
knows. `derived` and `corrections` find what is no image: what programs left beside the images, and masks that users
corrected.

May import `segmake.formats` and what is below it.

>>> from pathlib import Path
>>> import numpy, tifffile
>>> from segmake.core.settings import Images
>>> from segmake.images.batches import balance
>>> from segmake.images.field_of_view import FieldOfView
>>> slices = numpy.stack([numpy.full((4, 5), grey, numpy.uint16) for grey in (10, 30, 20)])
>>> tifffile.imwrite("cells.tif", slices, imagej=True, metadata={"axes": "ZYX"})
>>> section = Images(channel=1, z="max")
>>> with FieldOfView(Path("cells.tif"), 0, section) as view:
...     view.selection.axes, int(view.planes(time=0)[0].max())
('YX', 30)
>>> balance([5.0, 1.0, 1.0, 3.0], groups=2)
[[0], [1, 2, 3]]
"""
