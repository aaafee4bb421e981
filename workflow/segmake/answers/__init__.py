r"""Answers to programs in JSON: ``segmake COMMAND --json``.

`answer` has the form that all share, and each other module what one command answers; ``schemas`` describes them all
in JSON Schema. What an answer says once it says for ever, in its version; docs/reference/json.md is for who reads them.

May import `segmake.adapter` and what is below it.

>>> from pathlib import Path
>>> from segmake.answers.check import check_answer
>>> Path("images").mkdir()
>>> _ = Path("config.yaml").write_text("images: {folder: images}\nsegmentation: {engine: treshold}\n")
>>> found = check_answer(Path("config.yaml"))
>>> found["answer"], found["version"], found["usable"]
('check', 1, False)
>>> problem, = found["problems"]
>>> problem["code"], problem["line"], problem["key"]
('SM-CFG-002', 2, 'segmentation.engine')
>>> problem["text"]
'`engine` under `segmentation` can\'t be "treshold".'
"""
