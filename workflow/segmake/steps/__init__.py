r"""The steps on an image: segment, masks, measure, overlay.

`segmentation` loads the model once and finds the cells; `masks`, `measure` and `overlay` are the steps after it, and
`work` chooses among them. `spread` works on several images at the same time, and `checked_model` notes that a model was
loaded, so that no job finds out that it can't be.

May import `segmake.labels` and what is below it.

>>> from pathlib import Path
>>> import numpy, tifffile
>>> from segmake.config.load import load_config
>>> from segmake.core.journal import Journal
>>> from segmake.plan.make import make_plan
>>> from segmake.runner.run_step import run_step
>>> from segmake.steps.work import work_of
>>> plane = numpy.full((40, 60), 100, numpy.uint16)
>>> plane[5:15, 5:25] = plane[25:35, 30:50] = 900
>>> Path("images").mkdir()
>>> tifffile.imwrite("images/cells.tif", plane)
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
>>> plan, _ = make_plan(load_config(Path("config.yaml")))
>>> [batch] = plan.batches.values()
>>> said = []
>>> with Journal(plan.folders.journal("segment", batch.name)).locked() as journal:
...     run_step(batch.tasks["segment"], journal, work_of("segment", plan, said.append), said.append, len)
>>> said[0].strip(), journal.last("cells.tif").details["cells"]
('model otsu, on CPU', 2)
"""
