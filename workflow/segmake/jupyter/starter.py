"""Starts a module in an environment's Python, with packages that lie beside the environment and come after its own.

    python -I starter.py FOLDER MODULE ARGUMENTS...

Runs with the Python of the environment, which SegMake may not have made: nothing newer than Python 3.8 is needed.
"""

import runpy
import sys


def main():
    """Start the module."""
    folder, module = sys.argv[1:3]
    # So that `sys.path` has no folder of SegMake's.
    sys.argv[:3] = [module]
    if folder:
        sys.path.append(folder)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
