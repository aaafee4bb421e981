r"""The tables and the report of the whole run, one page in one file.

`summary` writes all of it. `page` makes the report with ``report.html.j2``, `gallery` chooses its images and makes
their pictures small, `distributions` makes its plots of `cell_columns`; `scripts` is what it shows of the users'
scripts: `fragment` makes a text harmless that a script wrote, and `embedded_pictures` its pictures small. `parts` is
what these share.

May import `segmake.outcome` and what is below it.

>>> from pathlib import Path
>>> from segmake.report.fragment import read_fragment
>>> from segmake.report.parts import href
>>> _ = Path("report.md").write_text("# Cells\n\n**42** <script>alert()</script> ![](https://example.org/a.png)\n")
>>> fragment = read_fragment(Path("report.md"), folder=Path(), results=Path())
>>> print(fragment.html)
<h4>Cells</h4>
<p><strong>42</strong>  <img alt=""></p>
>>> fragment.refused, href("day 1/pos#3.png")
(['https://example.org/a.png'], './day%201/pos%233.png')
"""
