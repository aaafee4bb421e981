r"""Holds a run against what the Slurm cluster has, and sends it there.

`checks` finds out before any job is sent whether Slurm will take it, `adoption` takes over the jobs that a lost run
left in the queue, and `submit` sends the main process itself. `site_proposals` holds the site file against the cluster.

May import `segmake.updates` and what is below it.

>>> from pathlib import Path
>>> import numpy, tifffile
>>> from segmake.cluster.adoption import adopt
>>> from segmake.config.load import load_config
>>> from segmake.plan.make import make_plan
>>> from segmake.slurm.commands import Job
>>> from segmake.slurm.jobs import Sent
>>> Path("images").mkdir()
>>> tifffile.imwrite("images/cells.tif", numpy.zeros((40, 60), numpy.uint16))
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: threshold}\n")
>>> plan, _ = make_plan(load_config(Path("config.yaml")))
>>> [batch] = plan.batches
>>> left = Sent("run1", Job("17", "segment", batch, "RUNNING"))
>>> _, adopted = adopt(plan, plan, [left])
>>> adopted["measure", batch]  # the one job of a small batch does all of its steps
'17'
"""
