"""Does a step for each image of a batch, and notes what became of it.

`run_step` goes on after the last image that is done; one that is broken is a line in the journal, and no exception.
`pipeline` reads the next images while one is computed; `parallel` does several at once. `records` remembers each file
that was written, so that one that a user changed is moved and not overwritten.

May import `segmake.images` and what is below it.

>>> from pathlib import Path
>>> from segmake.core.journal import Journal
>>> from segmake.messages import Problem
>>> from segmake.runner.pipeline import InOneGo, Task
>>> from segmake.runner.run_step import problem_of, run_step
>>> def count(task):
...     words = task.path.read_text().split()
...     if not words:
...         raise Problem("SM-IMG-002", where=task.image)
...     _ = task.outputs[0].write_text(str(len(words)))
...     return {"words": len(words)}
>>> _ = Path("a.txt").write_text("three small cells"), Path("b.txt").write_text("")
>>> tasks = [Task(name, Path(name), 0, 1, "key", 1, (Path(f"{name}.count"),)) for name in ("a.txt", "b.txt")]
>>> with (journal := Journal(Path("words.jsonl"))).locked():
...     run_step(tasks, journal, InOneGo(count), tell=print, detail=lambda text: None)
  [2/2] b.txt: FAILED. The file is empty (0 bytes).
>>> journal.last("a.txt").details["words"], problem_of(journal.last("b.txt")).code
(3, 'SM-IMG-002')
"""
