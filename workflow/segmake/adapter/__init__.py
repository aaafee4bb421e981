"""All that touches Snakemake and its Slurm executor plugin.

`session` is what the Snakefile and its rules take from SegMake, put together of the other modules: `reading` makes
the plan, `lifecycle` begins and ends a run, `resources`, `script_rules` and `shell_commands` say what the rules are
made of, and `executor` sends jobs to Slurm and follows them. What of Snakemake is touched, and why, is listed in
`touch_points`; `tested_versions` refuses new versions. `front` and `installed` prepare the Python in which Snakemake
starts.

May import `segmake.helpfile` and what is below it. Without Snakemake only what runs before it can be used:

>>> from segmake.adapter.front import started, without_foreign
>>> started(["python", "-P", "-m", "snakemake", "--cores", "2", "-n"])
('snakemake', ['--cores', '2', '-n'])
>>> started(["python", "/usr/bin/snakemake", "--profile", "slurm"])
('snakemake', ['--profile', 'slurm'])
>>> environ = {"HOME": "/home/ada", "PYTHONHOME": "/opt/python", "PYTHONPATH": "/home/ada/modules"}
>>> without_foreign(environ)
{'HOME': '/home/ada'}
"""
