"""Runs the users' scripts in a job, with care for what is not theirs.

`work` does the runs, `process` runs one for a limited time with a log, and ends all that it started. `protection`
says what a script may only read, which `starter` makes so; `originals` looks at the images where that can't be had.
`evidence` tells what a run opened, `care` puts it together, and `kernel` asks Linux for all of this.

May import `segmake.scripts.results` and what is below it.

>>> import sys
>>> from pathlib import Path
>>> from segmake.scripts.running.process import Processes, last_lines
>>> log = Path("run.log").absolute()
>>> words = [sys.executable, "-c", "print('42 cells'); raise SystemExit(3)"]
>>> outcome = Processes().run(words, folder=Path(), variables={}, log=log, seconds=60, mark=str(log))
>>> outcome.code, outcome.out_of_time, last_lines(log, 1)
(3, False, '42 cells')
"""
