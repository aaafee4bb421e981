"""What is seen of images before a run, with a small picture of each.

`one_file` looks at a file, in a process of its own: a damaged one stops nothing else. `many_files` looks at all that is
in a folder, and `kept` remembers what was seen of a file as long as its size and time are the same.

May import `segmake.experiment` and what is below it.

>>> import os
>>> from pathlib import Path
>>> import numpy, tifffile
>>> from segmake.look.many_files import Looks
>>> os.environ["XDG_CACHE_HOME"] = str(Path("cache").absolute())
>>> Path("images").mkdir()
>>> stack = numpy.arange(2 * 30 * 40, dtype=numpy.uint16).reshape(2, 30, 40)
>>> tifffile.imwrite("images/a.tif", stack, imagej=True, metadata={"axes": "CYX"})
>>> seen, = Looks(Path("images")).each()
>>> seen.name, seen.fields[0].channels, seen.kept
('a.tif', ('1', '2'), False)
>>> seen.picture.suffix
'.jpg'
>>> again, = Looks(Path("images")).each()
>>> again.kept
True
"""
