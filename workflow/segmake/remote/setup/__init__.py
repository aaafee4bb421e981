"""A computer is made ready for the experiments of a laptop: what `segmake remote setup` and `check` do.

`setting_up` has the steps: `way_there` logs in and makes a key (`own_key`, `key_there`, `ssh_config`), `segmake_there`
finds or installs SegMake, `engine_there` looks for the engine, `experiment_there` is about the folder, `launchers` are
double-clicked. `checking` looks at all of it.
"""
