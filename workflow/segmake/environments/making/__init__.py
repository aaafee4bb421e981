"""Makes the environments of the config, tries them, and removes them.

`own_environments` knows which of them a run needs. `uv` makes one where there is no conda; what both ways share, and
what is said meanwhile, is in `conda`. `trial` imports the packages of each before the first job. `engine_fit` fits an
engine's PyTorch to the GPUs, and `kept_environments` lists what was made.

May import `segmake.report` and what is below it.

>>> from pathlib import Path
>>> from segmake.environments.making.engine_fit import check, installed
>>> from segmake.messages import Problem
>>> packages = Path("cellpose", "lib", "python3.11", "site-packages")
>>> packages.joinpath("nvidia_cuda_runtime_cu12-12.4.127.dist-info").mkdir(parents=True)
>>> installed(Path("cellpose"))
{'nvidia-cuda-runtime-cu12': '12.4.127'}
>>> check("cellpose", Path("cellpose"), driver="12.6", refuse=True)
>>> try:
...     check("cellpose", Path("cellpose"), driver="11.8", refuse=True)
... except Problem as problem:
...     print(problem.what)
The environment of the engine cellpose brings CUDA 12.4, but the driver of the cluster's GPUs supports CUDA 11.8.
"""
