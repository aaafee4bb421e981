"""What the driver says of the GPU that a job has, and what the PyTorch of each engine does with it.

``graphics.py PYTHON...`` prints an object of JSON; each Python is that of an engine's environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

FIELDS = (
    "name",
    "driver_version",
    "memory.total",
    "compute_cap",
    "mig.mode.current",
    "ecc.mode.current",
)

TORCH = """
import json, time
began = time.perf_counter()
import torch
found = {"torch": torch.__version__, "cuda": torch.version.cuda, "import_s": round(time.perf_counter() - began, 2)}
try:
    began = time.perf_counter()
    probe = torch.ones((512, 512), device="cuda:0")
    found["computes"] = float((probe @ probe).sum()) == 512.0**3
    found["first_use_s"] = round(time.perf_counter() - began, 2)
    found["device"] = torch.cuda.get_device_name(0)
    found["devices"] = torch.cuda.device_count()
    found["capability"] = ".".join(map(str, torch.cuda.get_device_capability(0)))
    found["memory_gb"] = round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1)
    found["cudnn"] = torch.backends.cudnn.version()
    found["code_for"] = torch.cuda.get_arch_list()
except (RuntimeError, AssertionError) as error:
    found["computes"] = False
    found["error"] = (str(error).splitlines() or [""])[0][:300]
print(json.dumps(found))
"""


def driver() -> dict[str, object]:
    """Return what nvidia-smi says; empty where there is none."""
    plain = said("nvidia-smi")
    words = said("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
    cuda = re.search(r"CUDA (?:UMD )?Version\s*:\s*(\d+\.\d+)", plain)
    rows = [[word.strip() for word in line.split(",")] for line in words.splitlines()]
    gpus = [dict(zip(FIELDS, row, strict=False)) for row in rows]
    return {"newest_cuda": cuda[1] if cuda else None, "gpus": gpus}


def said(*command: str) -> str:
    """Return what a command prints; nothing if it fails."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def torch_of(python: str) -> dict[str, object]:
    """Return what the PyTorch of an environment says."""
    done = subprocess.run([python, "-c", TORCH], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"computes": False, "error": (done.stderr.strip().splitlines() or ["?"])[-1][:300]}
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = {"given": len(given.split(",")) if given else 0, "driver": driver()}
    found["torch"] = {python: torch_of(python) for python in sys.argv[1:]}
    print(json.dumps(found))
