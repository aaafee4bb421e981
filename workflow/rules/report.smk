"""Joins the tables of all batches, writes the report, and fails if an image or a run of a script failed.

In: the tables of the measured and drawn batches; what the users' scripts made.
Out: results/images.csv, cells.csv, cells.parquet, report.html, and the spreadsheets that the config asks for.
"""


localrules:
    verify,


rule report:
    input:
        [plan.outcome("measure", batch) for batch in plan.batches],
        [plan.outcome("overlay", batch) for batch in plan.batches],
        [plan.script_outcome(name) for name in plan.scripts],
    output:
        # An image that is gone sends no job, but leaves the tables.
        stamp=plan.summary(),
        report=folders.results / "report.html",
        images=folders.results / "images.csv",
        cells=folders.results / "cells.csv",
        parquet=folders.results / "cells.parquet",
        spreadsheets=[folders.results / name for name in plan.spreadsheets],
    log:
        folders.results / "logs/report.log",
    benchmark:
        folders.state / "benchmarks/report.tsv"
    localrule: session.report_is_small
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        **session.resources("report"),
    shell:
        "segmake report --out {output.stamp:q} --log {log:q}"


rule verify:
    input:
        rules.report.output,
    output:
        touch(plan.summary().with_suffix(".verified")),
    log:
        folders.results / "logs/verify.log",
    retries: 0
    conda:
        "../envs/report.yaml"
    shell:
        "segmake verify --log {log:q}"
