r"""Updates of SegMake, what takes room on the disk, and what may go.

`update` brings an installation to a newer version, and back: `news` tells what a version brings from its files alone,
`clone` speaks to git, `edits` keeps what the user has edited, `settings` brings a config into the form of another
version, and `record` notes where an update is. `space` says what takes room, by `kinds` and `sizes`, and deletes what
the user names; `uninstall` removes the rest. `at_work` says whether a run is in the way.

May import `segmake.look` and what is below it.

>>> from segmake.updates.news import new_changes
>>> before = "# Changes\n\n## 0.2.0\n\n- Movies are tracked.\n"
>>> after = "# Changes\n\n## 0.3.0\n\n- Updates by one command,\n  and back.\n\n## 0.2.0\n\n- Movies are tracked.\n"
>>> new_changes(before, after)
['0.3.0', '- Updates by one command, and back.']
"""
