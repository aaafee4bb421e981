r"""Opens JupyterLab with an environment, as a job, and leads to it.

`packages` puts JupyterLab beside an environment that has none, and `starter` starts it there. `starting` sends the
job, in which `server` runs. `way` leads to it through the job, with `relay` at both ends. `session` is what is known of
one, and `opening` puts all together.

May import `segmake.cluster` and what is below it.

>>> import os
>>> from pathlib import Path
>>> os.environ["XDG_STATE_HOME"] = str(Path("state").absolute())
>>> from segmake.jupyter.session import Session, sessions
>>> session = Session("growth", str(Path.cwd()), token="secret", process=2**22 + 1, host=os.uname().nodename)
>>> session.write()
>>> [(one.name, one.state({})) for one in sessions()]
[('growth', 'ended')]
"""
