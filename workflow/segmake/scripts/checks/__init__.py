"""Tells what is wrong with a script before it runs, and how it is called.

`checks` yields the problems of the section ``scripts``: with the settings, the files, and how they go together.
`argument_checks` compares what a script is given with what it takes, `intake` finds scripts that take nothing, and
`notes` says with the plan what is set in a copy. `command` puts the command line together, `copies` makes the copies.

May import `segmake.environments.solving` and what is below it.

>>> from pathlib import Path
>>> from segmake.scripts.checks import command
>>> command.interpreter(Path("count.R"), python="python")
['Rscript']
>>> command.option("threshold", "0.5", {}), command.option("fast", True, {}), command.option("shift", "-x", {})
(['--threshold', '0.5'], ['--fast'], ['--shift=-x'])
>>> command.fill("{name}_s{seed}.csv", {"name": "pos3", "seed": "7"})
'pos3_s7.csv'
>>> command.variable_of("--batch-size"), command.is_passed("HOME"), command.is_passed("API_TOKEN")
('BATCH_SIZE', True, False)
"""
