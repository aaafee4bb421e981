"""Finds the cells of the images of a batch.

In: the plan, the images, the weights of the model.
Out: the labels in results/.segmake/labels, a journal per batch, and its table, which is what Snakemake sees.
"""


localrules:
    model,


# Before any job is sent: compute nodes often have no internet, and a file that is no model fails here.
rule model:
    output:
        folders.state / "model/{model}.txt",
    log:
        folders.results / "logs/model/{model}.log",
    retries: 0
    conda:
        session.engine_file
    shell:
        "segmake_engine check-model --out {output:q} --log {log:q}"


rule segment:
    input:
        session.checked_model or [],
    output:
        folders.state / "segment/{batch}.{attempts}.tsv",
    log:
        folders.results / "logs/segment/{batch}.{attempts}.log",
    benchmark:
        folders.state / "benchmarks/segment/{batch}.{attempts}.tsv"
    wildcard_constraints:
        batch="|".join(session.batches_to_segment) or "none",
    group:
        session.group_of_segment
    conda:
        session.engine_file
    threads: cluster["cpus"]
    resources:
        **session.resources("segment"),
    shell:
        "segmake_engine segment --batch {wildcards.batch} --without-gpu {resources.without_gpu} --out {output:q} --log {log:q}"
