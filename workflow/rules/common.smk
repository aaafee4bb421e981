"""Reads and checks the config, lists the images, and makes the plan that the rules below work through.

In: config/config.yaml (or --configfile), the images, the journals of earlier runs.
Out: `session` and `plan`; nothing is written here.
"""

from snakemake.exceptions import WorkflowError

try:
    from segmake.adapter.tested_versions import refuse_untested

    # The rest may not be read with another one. The version is that of these rules.
    refuse_untested("0.2.0")
    from segmake.adapter.session import Session
except ModuleNotFoundError as error:
    # As a module from git, it comes without the package.
    raise WorkflowError(
        f"SegMake's package is not installed beside this Snakemake ({error}). Start the one that "
        "`bash scripts/setup.sh` of SegMake's folder made, or install it: docs/how-to/module.md. / Le paquet de SegMake n'est "
        "pas installé à côté de ce Snakemake : lancez celui que `bash scripts/setup.sh` a créé dans le dossier de "
        "SegMake, ou installez-le : docs/how-to/module.md."
    )

session = Session(workflow, config)
session.take_part()
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
