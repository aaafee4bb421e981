"""Makes the environments of the config, and tries them.

In: their files, which `session` makes when the Snakefile is read (segmake.builder).
Out: results/environments/NAME.txt with the versions that are in each; beside it lies NAME.yaml.
"""


localrules:
    environment,


wildcard_constraints:
    environment="|".join(plan.environments) or "none",


rule environment:
    input:
        lambda wildcards: plan.environments[wildcards.environment],
    output:
        folders.results / "environments/{environment}.txt",
    log:
        folders.results / "logs/environments/{environment}.log",
    retries: 0
    conda:
        lambda wildcards: plan.environments[wildcards.environment]
    params:
        script=Path(workflow.basedir) / "scripts/check_environment.py",
        packages=lambda wildcards: session.imports(wildcards.environment),
        message=lambda wildcards: session.bad_environment(wildcards.environment),
    shell:
        "python {params.script:q} {params.packages:q} --message {params.message:q} --out {output:q} --log {log:q}"
