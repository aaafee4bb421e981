"""The commands that show what is there, to users and to those who help them: jobs, images, the cluster, a help file."""

from __future__ import annotations

import argparse

from segmake.core.files import write_atomically
from segmake.messages import say


def show_job_scripts(options: argparse.Namespace) -> None:
    """Show what would be handed to sbatch for each kind of job, or write it to a folder; no job is sent."""
    from segmake.cluster.job_scripts import head, job_scripts
    from segmake.cluster.submit import snakemake_options
    from segmake.config.load import load_config

    path, folder = options.configfile, options.to
    scripts = job_scripts(load_config(path), snakemake_options("slurm", path))
    if folder is None:
        named = (f"# ----- {name}\n{text}" for name, text in scripts.items())
        print("\n".join([head(path, scripts), "", *named]))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        with write_atomically(folder / name) as part:
            part.write_text(text, encoding="utf-8", errors="surrogateescape")
    print(say("jobs.written", number=len(scripts), folder=folder))


def write_helpfile(options: argparse.Namespace) -> None:
    """Write one file to hand to whoever helps, and say what is in it."""
    from segmake.helpfile.archive import write_helpfile as write
    from segmake.outcome.status import results_of
    from segmake.updates.space import shown_bytes

    config = options.configfile
    file = write(config, options.results or results_of(config), options.to, print)
    print(say("help.written", file=file.absolute(), size=shown_bytes(file.stat().st_size)))
