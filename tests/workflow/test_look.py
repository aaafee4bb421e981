"""The whole command ``segmake look``, as a face runs it: read by a program that is no Python, and left in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from tests.answers import held, read_by
from tests.projects import draw_image

# With names of this length they are more than a pipe holds: whoever writes waits for the reader.
IMAGES = 80


def test_it_is_read_as_it_comes_and_goes_on_where_it_was_left(tmp_path):
    for number in range(IMAGES):
        path = tmp_path / "d\u00e9j\u00e0" / f"{number}{'x' * 200}.tif"
        draw_image(path, 2)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    command = [sys.executable, "-m", "segmake", "look", "d\u00e9j\u00e0", "--json"]
    surroundings = {
        "cwd": tmp_path,
        "env": {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        "text": True,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    first = subprocess.Popen(command, **surroundings)
    assert json.loads(first.stdout.readline())["answer"] == "look.file"
    # Whoever reads goes away.
    first.stdout.close()
    assert first.wait() == 128 + signal.SIGPIPE
    assert not first.stderr.read()
    second = subprocess.run(command, **surroundings, check=True)
    *files, last = map(held, second.stdout.splitlines(keepends=True))
    assert len(files) == last["files"] == IMAGES
    assert 1 <= last["kept"] < IMAGES
    shown = read_by("look.pl", second.stdout)
    assert shown.count("160x120 1 picture") == IMAGES
    assert shown.endswith(f"{IMAGES} images, 0 faulty\n")
