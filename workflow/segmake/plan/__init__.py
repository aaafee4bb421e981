r"""What a run will do: which images, in which batches, at which attempt.

`make` compares the journals with what is wanted and makes the `Plan`, which `plan` has: `written_plan` writes and reads
it, and `described` tells it on the screen. `result_paths` says where everything lies in a results folder. `scripts` and
`script_keys` plan the runs of the users' scripts. `bindings` binds corrections to their images, and `known_errors`
finds results of earlier versions that were wrong.

May import `segmake.config` and what is below it.

>>> from pathlib import Path
>>> import numpy, tifffile
>>> from segmake.config.load import load_config
>>> from segmake.plan.make import make_plan
>>> Path("images").mkdir()
>>> tifffile.imwrite("images/cells.tif", numpy.zeros((40, 60), numpy.uint16))
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
>>> plan, inventory = make_plan(load_config(Path("config.yaml")))
>>> [batch] = plan.batches.values()
>>> [task] = batch.tasks["masks"]
>>> task.image, task.attempt, str(task.outputs[0])
('cells.tif', 1, 'results/masks/cells_masks.ome.tif')
"""
