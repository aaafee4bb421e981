r"""The places where experiments are computed: this computer, or one by SSH.

`place` says what both can do; `here` is this computer, `there` the other one, reached by one `login` for everything
(`host_keys`, `asking`), and the only module that sends anything over a connection. `login_script` makes lines that any
login shell takes, `shell_scripts` are what they run; `copying` brings files from one place to the other, many small
ones in one stream (`tar_files`), by as many attempts (`attempt`) as it takes, and only what differs (`differences`).
`parts` are the names of what is not whole yet, `foreign_names` those of files whose own ones another system refuses;
`progress` says how far it is, and `in_order` keeps several calls on the way.

May import `segmake.core` and what is below it.

>>> import asyncio
>>> from pathlib import Path
>>> from segmake.places.copying import copy
>>> from segmake.places.here import Here
>>> here, folder = Here(), str(Path.cwd())
>>> asyncio.run(here.run(["echo", "it's done"])).text
"it's done\n"
>>> asyncio.run(here.write_many(f"{folder}/images", [("day 1/a.tif", 1e9, b"pixels")]))
>>> asyncio.run(copy((here, f"{folder}/images"), (here, f"{folder}/copy")))
Outcome(copied=('day 1/a.tif',), growing=())
>>> asyncio.run(copy((here, f"{folder}/images"), (here, f"{folder}/copy")))
Outcome(copied=(), growing=())
"""
