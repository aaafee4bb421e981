r"""One file to hand to whoever helps: ``segmake helpfile``.

`contents` collects what tells what is wrong, as texts; `machine` says what of it is of this computer, and `masking`
takes secrets, the user's name and the computer's out of all of them; `archive` puts them into one file.

May import `segmake.jupyter` and what is below it.

>>> from segmake.helpfile.masking import Masks
>>> masks = Masks(user="ada", home="/home/ada", host="login1")
>>> masks.hide("login1: /home/ada/day1 asks https://ada:xyz@lab.org/models with --token abc123")
'HOST: ~/day1 asks https://***@lab.org/models with --token ***'
"""
