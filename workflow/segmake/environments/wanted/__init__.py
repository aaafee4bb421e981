"""Understands packages as people write them: PyTorch 2.4, skimage.

`words` makes a name on PyPI of ``PyTorch 2.4`` or ``skimage``, with `catalogue`, the packages that SegMake knows by
name. `compatibility` has the rules that the registry's metadata lack, `git_packages` reads addresses of repositories,
and `provided` knows what a package brings along. Nothing here asks a network.

May import `segmake.engines` and what is below it.

>>> from segmake.environments.wanted import catalogue
>>> from segmake.environments.wanted.provided import lacking, projects_of
>>> from segmake.environments.wanted.words import understand
>>> wanted = understand("skimage 0.25")
>>> wanted.project, wanted.asked
('scikit-image', 'scikit-image==0.25.*')
>>> catalogue.mistaken_for("scikit-imgae").project
'scikit-image'
>>> projects = projects_of(["scikit-image"])
>>> {module: package.project for module, package in lacking(["scipy", "torch"], projects).items()}
{'torch': 'torch'}
"""
