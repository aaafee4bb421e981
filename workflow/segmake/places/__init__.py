"""Where an experiment is computed: on this computer, or on another by SSH.

`place` says what both can do; `here` is this computer, `there` one that is reached by one login (`login`, `host_keys`,
`asking`), and the only module that sends anything over a connection. `login_script` makes lines that any login shell
takes, `shell_scripts` are what they run; `copying` brings files from one place to the other.

May import `segmake.core` and `segmake.messages`.
"""
