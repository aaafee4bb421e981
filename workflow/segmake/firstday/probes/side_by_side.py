"""Does the same pictures with SegMake and with the engine alone, one after the other, in the same job on the same GPU.

``side_by_side.py ORDER`` reads an object of JSON: the commands ``segmake`` and ``plain``, and the folder of the first.
It prints when each began and ended, and how busy the GPU was, as nvidia-smi tells it several times a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

EVERY_MS = 200


class Watch:
    """What nvidia-smi says of the job's GPU while it is watched: seconds since 1970, percent busy, MB of its memory."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, float, float]] = []
        given = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
        command = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used"]
        command += ["--format=csv,noheader,nounits", f"--loop-ms={EVERY_MS}"]
        if given:
            command.append(f"--id={given}")
        try:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            return
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            try:
                busy, memory = (float(word) for word in line.split(","))
            except ValueError:
                # "[N/A]", of a part of a GPU.
                continue
            self.seen.append((time.time(), busy, memory))

    def end(self) -> list[tuple[float, float, float]]:
        """Return what was seen."""
        if hasattr(self, "_process"):
            self._process.terminate()
            self._process.wait()
        return self.seen


def timed(command: list[str], folder: str, said: str) -> dict[str, object]:
    """Do a command, and return when it began and ended, its exit code, and its last line."""
    began = time.time()
    with open(said, "wb") as screen:
        done = subprocess.run(
            command, cwd=folder, stdout=screen, stderr=subprocess.STDOUT, check=False
        )
    lines = Path(said).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    end = {"began": began, "ended": time.time(), "code": done.returncode}
    return {**end, "said": lines[-12:] if done.returncode else lines[-1:]}


if __name__ == "__main__":
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    watch = Watch()
    found = {
        name: timed(order[name], order["folder"], f"{order['folder']}/{name}.txt")
        for name in ("segmake", "plain")
    }
    print(json.dumps({**found, "watched": watch.end()}))
