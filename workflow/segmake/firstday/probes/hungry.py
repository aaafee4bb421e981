"""Takes memory and time: ``hungry.py --megabytes 1500 --seconds 5``."""

import argparse
import json
import time

parser = argparse.ArgumentParser()
parser.add_argument("--megabytes", type=int, default=0)
parser.add_argument("--seconds", type=float, default=0)
parser.add_argument("--output-dir", default=".")
options = parser.parse_args()

# Zeros alone would take no memory: pages are given when they are written to.
taken = [bytearray(b"x" * 1_000_000) for _ in range(options.megabytes)]
time.sleep(options.seconds)
with open(f"{options.output_dir}/taken.csv", "w") as file:
    file.write(f"megabytes,seconds\n{len(taken)},{options.seconds}\n")
print(json.dumps({"megabytes": len(taken)}))
