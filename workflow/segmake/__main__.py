"""``python -m segmake``: the command ``segmake`` (`segmake.cli`), where it is not on the PATH."""

import sys

from segmake.cli import main

if __name__ == "__main__":
    sys.exit(main())
