r"""Reads the file of a script, and runs nothing of it.

`static` finds what is wrong with it and what it imports, `options` what it takes by argparse, `constants` the values
that can be set in a copy, and `pitfalls` what does not work where it is run. `followed` finds the other files that it
runs, and `meaning` tells changes that mean something from a comment. Python, notebooks, R and shell scripts are
known.

May import `segmake.scripts.definition` and what is below it.

>>> import ast
>>> from pathlib import Path
>>> from segmake.scripts.source.constants import constants_of, with_values
>>> from segmake.scripts.source.options import parser_of
>>> from segmake.scripts.source.static import modules_of, read_source
>>> script = Path("count.py")
>>> _ = script.write_text("import argparse, skimage.io\nRATE = 0.5  # per hour\n"
...     "parser = argparse.ArgumentParser()\nparser.add_argument('--seed', type=int)\nparser.parse_args()\n")
>>> read_source(script).fault, modules_of(script), constants_of(script)
(None, ['skimage'], {'RATE': '0.5', 'parser': 'argparse.ArgumentParser()'})
>>> with_values(script, {"RATE": 2})[0].splitlines()[1]
b'RATE = 2  # per hour'
>>> [option.names for option in parser_of(ast.parse(script.read_text())).options]
[('--seed',), ('-h', '--help')]
"""
