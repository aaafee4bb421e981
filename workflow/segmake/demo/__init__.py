"""Draws pictures of bacteria of which every cell is known.

`synthetic` draws single fields of view, or writes the twelve images of the demo; `growing_colony` draws the cells of
movies, and `example_images` the images of the examples. The same seed gives the same pixels.

May import `segmake.environments.making` and what is below it; it needs its messages alone.

>>> from segmake.demo.synthetic import draw_field
>>> image, labels = draw_field(7, shape=(160, 200), modality="phase", cells="rod", arrangement="sparse", width=10)
>>> image.shape, image.dtype.name, bool(labels.any())
((160, 200), 'uint16', True)
>>> again, _ = draw_field(7, shape=(160, 200), modality="phase", cells="rod", arrangement="sparse", width=10)
>>> bool((again == image).all())
True
>>> bool(image[labels > 0].mean() < image[labels == 0].mean())  # cells are dark in phase contrast
True
"""
