"""Joins the tables of all batches, writes the report, and fails if an image failed.

In: the tables of the measured and drawn batches.
Out: results/images.csv, cells.csv, cells.parquet and report.html.
"""


localrules:
    verify,


rule report:
    input:
        expand(rules.measure.output, batch=plan.batches),
        expand(rules.overlay.output, batch=plan.batches),
    output:
        report=folders.results / "report.html",
        images=folders.results / "images.csv",
        cells=folders.results / "cells.csv",
        parquet=folders.results / "cells.parquet",
    log:
        folders.results / "logs/report.log",
    benchmark:
        folders.state / "benchmarks/report.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        **session.slurm_resources(gpu=False),
        mem_mb=4096,
        runtime=60,
    params:
        # An image that is gone sends no job, but leaves the tables.
        images=plan.fingerprint(),
    shell:
        "segmake report --log {log:q}"


rule verify:
    input:
        rules.report.output,
    output:
        touch(folders.state / "verified"),
    log:
        folders.results / "logs/verify.log",
    retries: 0
    conda:
        "../envs/report.yaml"
    shell:
        "segmake verify --log {log:q}"
