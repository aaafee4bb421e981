"""Profiles the main thread of a Python process from its start to its end, if this folder is on its path."""

import atexit
import cProfile
import os

_profile = cProfile.Profile()
atexit.register(
    lambda: _profile.dump_stats(f"{os.environ['SEGMAKE_BENCHMARK_PROFILES']}/{os.getpid()}.prof")
)
_profile.enable()
