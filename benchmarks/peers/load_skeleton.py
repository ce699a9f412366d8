"""One experiment read the plain way: a Dataset a split, each of which has pandas read the whole table.

    python load_skeleton.py norm_data.txt RNCMPT00001

Prints seconds and the peak of memory as one JSON line.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np
import pandas as pd

LENGTH = 41
LETTERS = {letter: np.eye(4, dtype=np.float32)[row] for row, letter in enumerate("ACGU")}


def encode(probe):
    padding = [np.zeros(4, dtype=np.float32)] * (LENGTH - len(probe))
    return np.stack([LETTERS[letter] for letter in probe] + padding)


class Probes:
    def __init__(self, path, experiment, part):
        table = pd.read_csv(path, sep="\t", low_memory=False)
        rows = table[table["Probe_Set"] == ("SetB" if part == "test" else "SetA")]
        self.inputs = np.stack([encode(probe) for probe in rows["RNA_Seq"]])
        self.targets = pd.to_numeric(rows[experiment], errors="coerce").to_numpy()


def main():
    path, experiment = sys.argv[1:3]
    start = time.perf_counter()
    for part in ("train", "val", "test"):
        Probes(path, experiment, part)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    sys.stdout.write(json.dumps({"peer": "load_skeleton", "seconds": seconds, "peak_mb": peak}) + "\n")


if __name__ == "__main__":
    main()
