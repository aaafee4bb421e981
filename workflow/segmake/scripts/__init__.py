"""The users' own scripts as steps of the workflow: section ``scripts`` of the config.

Five folders, from bottom to top, each a layer of its own: `definition` says what a script is and which runs of it
there are, `source` reads its file without running it, `checks` tells before anything runs what is wrong with it,
`results` says what became of its runs and joins their tables, and `running` runs it in a job. When a run is out of
date is said by `segmake.plan.script_keys`, what Snakemake makes of it by `segmake.adapter.script_rules`.
"""
