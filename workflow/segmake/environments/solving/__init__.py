r"""Finds versions of packages that go together; nothing is installed.

`environment_files` makes the file of each environment of the config and keeps it. `resolver` and `solutions` choose
the versions, with what `compiling` has uv say; `clashes` says in a sentence why there are none. `package_lists` reads
lists that people have already, `existing_environments` looks at what they have made, `cuda` at the driver of the
GPUs, and `history` keeps what was in each environment.

May import `segmake.scripts.source` and what is below it; it needs no more than `segmake.environments.wanted`.

>>> from pathlib import Path
>>> from segmake.environments.solving import clashes, cuda
>>> from segmake.environments.solving.environment_file import pins, python_of
>>> file = Path("imaging.yaml")
>>> packages = "[numpy==2.1.0, nvidia-cuda-runtime-cu12==12.4.127]"
>>> _ = file.write_text(f"dependencies:\n- python=3.11\n- pip\n- pip: {packages}\n")
>>> python_of(file), pins(file)
('3.11', {'numpy': '2.1.0', 'nvidia-cuda-runtime-cu12': '12.4.127'})
>>> cuda.cuda_of(pins(file)), cuda.runs("12.4", driver="11.8")
('12.4', False)
>>> clashes.sentence("Because a==1 depends on numpy<2 and you require numpy>=2, and you require a==1, ...", "3.11")
'a==1 needs numpy<2, but your list has numpy>=2'
"""
