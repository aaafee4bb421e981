"""Runs a copy of a script in its place: tracebacks name the script, and what lies beside the script is imported.

It is run by the Python of the script's environment, whichever that is: ``python launcher.py COPY SCRIPT ARGUMENTS``.
"""

import os
import sys


def _hide_launcher(hook):
    """Let a traceback begin in the script."""

    def tell(kind, error, trace):
        own = trace.tb_next if trace and trace.tb_next else trace
        hook(kind, error.with_traceback(own), own)

    return tell


def _start():
    """Return the code of the copy, and what its module knows."""
    copy, script = sys.argv[1:3]
    sys.argv[:] = sys.argv[2:]
    sys.path[0] = os.path.dirname(os.path.realpath(script))
    sys.excepthook = _hide_launcher(sys.excepthook)
    with open(copy, "rb") as file:
        code = compile(file.read(), script, "exec", dont_inherit=True)
    # Processes that the script starts load the copy again, with its values.
    return code, {"__file__": copy, "__doc__": None}


if __name__ == "__main__":
    _code, _names = _start()
    globals().update(_names)
    for _name in ("os", "sys", "_hide_launcher", "_start", "_names", "_name"):
        globals().pop(_name, None)
    exec(globals().pop("_code"))  # noqa: S102
