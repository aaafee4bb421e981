"""Tries SegMake step by step on a real cluster, the first day it is there.

What can't be had where SegMake is made, GPUs, conda and the internet, is tried where they are.

`all_steps` has the steps in their order, `course` does them and goes on where it was stopped. Each is a function in
`facts`, `disks`, `models`, `queue`, `growth` or `engines`, which fills in figures, and raises a ``Problem`` for what it
finds wrong. Jobs are sent by `jobs`, runs of Snakemake started by `runs`; `gpu_minutes` counts what they take of what
was agreed. `record` writes what was found to one file, from which `nameless` takes all names, and a page. `probes` are
scripts for the nodes and for the engines' environments.

May import `segmake.answers` and what is below it.

>>> from segmake.firstday.nameless import Nameless
>>> names = Nameless(people=["mreiter"], machines=["node17", "login2.uni.example"], places={"/home/mreiter/day": "."})
>>> names.clean("mreiter on node17: /home/mreiter/day/log, /data/lab/mreiter/x.tif")
'user-1 on machine-1: ./log, …/x.tif'
>>> names.clean({"seconds": 3.5, "gpu": "NVIDIA A40", "host": "login2.uni.example"})
{'seconds': 3.5, 'gpu': 'NVIDIA A40', 'host': 'machine-2'}
"""
