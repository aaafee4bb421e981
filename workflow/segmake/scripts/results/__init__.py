r"""What became of the runs of scripts; joins the tables that they made.

`results` writes the tables that a script gets about all images, joins what the runs made, and counts. `joined` puts
tables one below the other, of which `table_forms` finds out how each is written. `outcome` says it in sentences.

May import `segmake.steps` and what is below it.

>>> from pathlib import Path
>>> from segmake.scripts.results.joined import join
>>> from segmake.scripts.results.table_forms import form_of
>>> _ = Path("a.csv").write_text("cell;area\n1;2,5\n2;3,5\n")
>>> _ = Path("b.csv").write_text("cell,area\n1,4.5\n")
>>> form_of(Path("a.csv")).separator
';'
>>> join([({"image": "a.tif"}, Path("a.csv")), ({"image": "b.tif"}, Path("b.csv"))], Path("all.csv"), print)
True
>>> print(Path("all.csv").read_text(encoding="utf-8-sig"))
image,cell,area
a.tif,1,2.5
a.tif,2,3.5
b.tif,1,4.5
<BLANKLINE>
"""
