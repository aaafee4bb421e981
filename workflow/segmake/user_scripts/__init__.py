"""The users' own scripts as steps of the workflow: section ``scripts`` of the config.

`definition` says what a script is and how often it is run, `checks` what is wrong with it before anything runs
(`static` reads the file), `keys` when a run of it is out of date, `command` how it is called, `process` runs it,
`work` does the runs of a batch, and `results` joins what came of them.
"""
