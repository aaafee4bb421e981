"""The users' own scripts as steps of the workflow: section ``scripts`` of the config.

`definition` says what a script is and how often it is run. Before anything runs, `checks` tells what is wrong with it:
`static` and `options` read its file, `argument_checks` compares what it is given with what it takes, `provided` knows
what an environment will have; `intake` and `pitfalls` look for what a script does not take, and for what does not work
where it is run, and `notes` say so with the plan. `designs` reads the runs of a sweep from a table.

`keys` tells when a run is out of date, by what `meaning` says that the script is: of all files that `followed` finds
with `folding`, without `comments`. `planning` says which runs are to be done, `rules` what Snakemake makes of that.

In a job `work` does the runs: `command` says how the script is called, `process` runs it. `constants`, with
`constants_of_text` and `values`, puts values into a copy, which `copies` lays down and `launcher` runs. `care` is
taken of each run: `protection` keeps it from writing to what is not its own (`starting` and `starter` start it so,
`kernel` asks Linux), else `originals` sees what it changed; `evidence` says what it opened, `made` what it made.

`results` says what became of the runs; `joined` joins their tables, of which `table_forms` tells the form.
"""
