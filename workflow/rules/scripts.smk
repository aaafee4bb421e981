"""Runs the users' own scripts: section `scripts` of the config.

In: what each script needs: images, masks, tables, what other scripts made; and its environment.
Out: results/scripts/NAME/..., a log for each run, a journal and a table per batch; the tables of all runs joined.
"""


localrules:
    join,


# One rule for each script, so that Slurm and the report call its jobs by its name.
for step in session.scripts:

    rule:
        name:
            step.rule
        input:
            step.before,
            step.environment_record,
        output:
            folders.state / f"scripts/{step.name}/{{batch}}.{{attempts}}.tsv",
        log:
            folders.results
            / f"logs/scripts/{step.name}/_batches/{{batch}}.{{attempts}}.log",
        benchmark:
            folders.state / f"benchmarks/{step.rule}/{{batch}}.{{attempts}}.tsv"
        wildcard_constraints:
            batch=step.batches,
        # A job of many long runs ends when its time is up; one that is sent again goes on from there.
        retries: step.retries
        conda:
            step.environment
        threads: step.cpus
        resources:
            **step.resources,
        params:
            name=step.name,
            python=step.python,
        shell:
            "segmake_here script --name {params.name} --batch {wildcards.batch} --python {params.python}"
            " --cpus {threads} --out {output:q} --log {log:q}"


rule join:
    input:
        lambda wildcards: session.batches_of(wildcards.script),
    output:
        folders.state / "scripts/{script}/{outcome}.done",
    log:
        folders.results / "logs/scripts/{script}/_joined.{outcome}.log",
    wildcard_constraints:
        script="|".join(session.unfinished_scripts) or "none",
        outcome=r"[0-9a-f]+",
    retries: 0
    conda:
        "../envs/imaging.yaml"
    shell:
        "segmake_here join --name {wildcards.script} --out {output:q} --log {log:q}"
