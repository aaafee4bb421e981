"""Makes the masks of a batch that users open, measures its cells, and draws its before/after pictures.

In: the table of the segmented batch, its images and labels, and the user's corrections.
Out: results/masks/..._masks.ome.tif with what `outputs` and `tracking` ask for, results/cells/..._cells.csv and results/overlays/..._overlay.png, with a journal and a table per batch.
"""


rule masks:
    input:
        lambda wildcards: plan.outcome("segment", wildcards.batch),
    output:
        folders.state / "masks/{batch}.{attempts}.tsv",
    log:
        folders.results / "logs/masks/{batch}.{attempts}.log",
    benchmark:
        folders.state / "benchmarks/masks/{batch}.{attempts}.tsv"
    group:
        session.group
    conda:
        "../envs/imaging.yaml"
    threads: session.cores("masks")
    resources:
        **session.resources("masks"),
    shell:
        "segmake masks --batch {wildcards.batch} --cpus {threads} --out {output:q} --log {log:q}"


rule measure:
    input:
        lambda wildcards: plan.outcome("masks", wildcards.batch),
    output:
        folders.state / "measure/{batch}.{attempts}.tsv",
    log:
        folders.results / "logs/measure/{batch}.{attempts}.log",
    benchmark:
        folders.state / "benchmarks/measure/{batch}.{attempts}.tsv"
    group:
        session.group
    conda:
        "../envs/imaging.yaml"
    threads: session.cores("measure")
    resources:
        **session.resources("measure"),
    shell:
        "segmake measure --batch {wildcards.batch} --cpus {threads} --out {output:q} --log {log:q}"


rule overlay:
    input:
        lambda wildcards: plan.outcome("masks", wildcards.batch),
    output:
        folders.state / "overlay/{batch}.{attempts}.tsv",
    log:
        folders.results / "logs/overlay/{batch}.{attempts}.log",
    benchmark:
        folders.state / "benchmarks/overlay/{batch}.{attempts}.tsv"
    group:
        session.group
    conda:
        "../envs/imaging.yaml"
    threads: session.cores("overlay")
    resources:
        **session.resources("overlay"),
    shell:
        "segmake overlay --batch {wildcards.batch} --cpus {threads} --out {output:q} --log {log:q}"
