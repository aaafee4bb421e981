"""What SegMake asks of Slurm, and what it makes of the answers.

`commands` calls Slurm's programs, and `requests` says what a job asks for. `jobs` and `history` keep the record of
the jobs that were sent. `fates` knows each way in which Slurm refuses a job, lets one wait or ends one: the table is
in ``fates.toml``.

May import `segmake.places` and what is below it.

>>> from segmake.core.settings import Cluster
>>> from segmake.slurm.fates import ended, refused
>>> from segmake.slurm.requests import executor_resources, request_options
>>> cluster = Cluster(partition="gpu", qos="normal", gpu_model="a40", gpu_request="gres")
>>> request_options(executor_resources(cluster, gpu=True, accounts=False))
['--partition=gpu', '--qos=normal', '--gres=gpu:a40:1']
>>> fate = ended("OUT_OF_MEMORY")
>>> fate.says(), fate.grows
('ran out of memory', 'memory')
>>> refused("sbatch: error: QOSMaxSubmitJobPerUserLimit").passes
True
"""
