"""Measures the cells of a batch, and draws its before/after pictures.

In: the table of the segmented batch, its images and masks.
Out: results/cells/..._cells.csv and results/overlays/..._overlay.png, with a journal and a table per batch.
"""


rule measure:
    input:
        rules.segment.output,
    output:
        folders.state / "measure/{batch}.tsv",
    log:
        folders.results / "logs/measure/{batch}.log",
    benchmark:
        folders.state / "benchmarks/measure/{batch}.tsv"
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        **session.slurm_resources(gpu=False),
        mem_mb=4096,
        runtime=60,
    params:
        attempts=lambda wildcards: plan.batches[wildcards.batch].attempts["measure"],
    shell:
        "segmake measure --batch {wildcards.batch} --out {output:q} --log {log:q}"


rule overlay:
    input:
        rules.segment.output,
    output:
        folders.state / "overlay/{batch}.tsv",
    log:
        folders.results / "logs/overlay/{batch}.log",
    benchmark:
        folders.state / "benchmarks/overlay/{batch}.tsv"
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        **session.slurm_resources(gpu=False),
        mem_mb=4096,
        runtime=60,
    params:
        attempts=lambda wildcards: plan.batches[wildcards.batch].attempts["overlay"],
    shell:
        "segmake overlay --batch {wildcards.batch} --out {output:q} --log {log:q}"
