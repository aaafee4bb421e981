"""Tries the environments of the config, which Snakemake makes with conda, or `session` with uv.

In: their files, which `session` makes when the Snakefile is read (segmake.environments.solving.environment_files).
Out: a record that its packages, and what scripts import, can be used; and results/environments/NAME.txt with the
versions that are in it, beside which lies NAME.yaml.
"""


localrules:
    environment,


wildcard_constraints:
    environment="|".join(plan.environments) or "none",
    checked=r"[0-9a-f]+",


rule environment:
    input:
        lambda wildcards: plan.environments[wildcards.environment],
    output:
        # Of another name once something else has to be in it.
        folders.state / "environments/{environment}.{checked}.txt",
    log:
        folders.results / "logs/environments/{environment}.{checked}.log",
    retries: 0
    conda:
        lambda wildcards: session.own_environments.conda_file(wildcards.environment)
    params:
        python=lambda wildcards: session.python_of(wildcards.environment),
        # One that no script needs never fails a run: that it did is written down, and told.
        failed=lambda wildcards: session.own_environments.failed(wildcards.environment),
        otherwise=lambda wildcards: session.own_environments.otherwise(
            wildcards.environment
        ),
    shell:
        "test -e {params.failed:q}"
        " || segmake_here try-environment --name {wildcards.environment} --python {params.python} --log {log:q}"
        " || {params.otherwise} {params.failed:q} && touch {output:q}"
