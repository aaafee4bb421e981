"""What became of a run: of each image, of the jobs, in its last words.

`image_rows` and `image_table` have a row for each image, by the journals. `run_state` tells whether a run goes on,
`tally` counts what is new in its journals (`older`: by its plan), `progress` and `queue` put it into words, `screen`
shows it meanwhile; `status` and `last_words` say how it is going and how it ended, `last_judged` what of that has not
changed since, in this run or the next. `timing` tells where the time of the segmentation went, `memory` and `usage`
what jobs asked of the cluster and used, and what to ask for next time.

May import `segmake.scripts.running` and what is below it.

>>> from segmake.outcome.queue import reasons_to_wait
>>> from segmake.slurm.commands import Job
>>> jobs = [Job("17", "segment", "b0001", "PENDING", reason="Resources")]
>>> jobs += [Job("18", "segment", "b0002", "PENDING", reason="Priority"), Job("19", "segment", "b0003", "RUNNING")]
>>> [waiting.describe() for waiting in reasons_to_wait(jobs)]
['1 job in the queue: no GPU or node is free: Resources', '1 job in the queue: other jobs come first: Priority']
"""
