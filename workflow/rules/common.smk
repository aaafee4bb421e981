"""Reads and checks the config, lists the images, and makes the plan that the rules below work through.

In: config/config.yaml (or --configfile), the images, the journals of earlier runs.
Out: `session` and `plan`; nothing is written here.
"""

import sys

sys.path.insert(0, workflow.basedir)

from segmake.session import Session

session = Session(workflow)
plan = session.plan
folders = plan.folders
cluster = plan.settings["cluster"]

# What the rules call: `segmake`, and `segmake_engine` with the Python of the engine's environment.
shell.prefix(session.shell_prefix)


wildcard_constraints:
    batch=r"\d+",
    attempts=r"[0-9a-f]+",


# Never more GPUs at once than the config allows, whatever the number of batches.
workflow.register_resource("gpus_at_once", cluster["max_gpus"])
