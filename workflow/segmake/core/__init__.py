"""Files that are never half written, and journals of what was done.

`files` writes files whole and makes fingerprints, `journal` notes what became of each image, and `disk` tells a full
disk from a broken image. `config` is a checked config, whoever made it, `versions` holds the numbers that go into the
keys of results, and `declared_steps` says which steps there are, in which order, and whose versions each has in its
keys. `installation` knows where SegMake and its own environments lie, `site` what whoever set it up says for all users,
and `site_paths` how they call the folders of the cluster.

May import `segmake.messages`.

>>> from pathlib import Path
>>> from segmake.core.files import fingerprint
>>> from segmake.core.journal import Journal
>>> key = fingerprint("pos3.nd2", {"diameter": 20})
>>> journal = Journal(Path("b0001.jsonl"))
>>> with journal.locked():
...     journal.add("pos3.nd2", "started", key, 1)
...     journal.add("pos3.nd2", "done", key, 1, cells=42)
>>> entry = Journal(Path("b0001.jsonl")).last("pos3.nd2")
>>> entry.event, entry.details, entry.key == fingerprint("pos3.nd2", {"diameter": 30})
('done', {'cells': 42}, False)
"""
