r"""What a script of the config is, and which runs of it there are.

`script` has the class `Script`, and how its runs and their folders are called. `designs` reads the runs of a sweep
from a table, `runs` finds each again by its name of earlier, and `values` writes a value as Python, R or bash have
it.

May import `segmake.environments.wanted` and what is below it; it needs no more than `segmake.core`.

>>> from pathlib import Path
>>> from segmake.scripts.definition.designs import read_design
>>> from segmake.scripts.definition.script import folder_name, run_label, values_of
>>> from segmake.scripts.definition.values import r_value
>>> list(values_of({"from": 1, "to": 2, "step": 0.5}))
['1', '1.5', '2']
>>> _ = Path("runs.csv").write_text("rate;seed\n0,1;7\n0,2;7\n")
>>> runs = read_design(Path("runs.csv"))
>>> [run_label(run) for run in runs]
['rate=0.1, seed=7', 'rate=0.2, seed=7']
>>> folder_name("a/b, seed=1"), r_value("1e3", "0.5"), r_value(True, "FALSE")
('a_b,seed=1-178ead46', '1e3', 'TRUE')
"""
