"""All that touches Snakemake and its Slurm executor plugin.

`session` is what the Snakefile and its rules take from SegMake. `executor` sends jobs to Slurm and follows them,
`handlers` has a run begin and end with SegMake's own steps, and `script_rules` makes the rules of the users' scripts.
`front` and `installed` prepare the process and the environment in which Snakemake starts.

May import `segmake.cluster` and what is below it. Without Snakemake only what runs before it can be used:

>>> from segmake.adapter.front import started, without_foreign
>>> started(["python", "-P", "-m", "snakemake", "--cores", "2", "-n"])
('snakemake', ['--cores', '2', '-n'])
>>> started(["python", "/usr/bin/snakemake", "--profile", "slurm"])
('snakemake', ['--profile', 'slurm'])
>>> environ = {"HOME": "/home/ada", "PYTHONHOME": "/opt/python", "PYTHONPATH": "/home/ada/modules"}
>>> without_foreign(environ)
{'HOME': '/home/ada'}
"""
