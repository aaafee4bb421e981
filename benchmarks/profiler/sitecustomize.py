"""Profiles a Python process from its start to its end, if this folder is on its path: each of its threads by itself.

From Python 3.12 on, only one thread can be profiled, so that it is the main one.
"""

import atexit
import cProfile
import os
import pstats
import sys
import threading

_profiles = []


def _begin(*_: object) -> None:
    _profiles.append(cProfile.Profile())
    _profiles[-1].enable()


def _end() -> None:
    _profiles[0].disable()
    together = pstats.Stats(*_profiles)
    together.dump_stats(f"{os.environ['SEGMAKE_BENCHMARK_PROFILES']}/{os.getpid()}.prof")


atexit.register(_end)
if sys.version_info < (3, 12):
    # What a thread does first calls this, which then gives way to the profile.
    threading.setprofile(_begin)
_begin()
