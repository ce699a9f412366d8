"""In-silico mutagenesis the plain way: every probe, every position, every other base, one forward pass each.

    python mutagenesis_skeleton.py model.safetensors probes.fasta [--limit N] [--out FILE]

The network is that of predict_skeleton.py, beside this file. Prints how many probes and the seconds as one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import torch
from predict_skeleton import DEVICE, encode, load_network, read_fasta


def mutate(network, rna):
    with torch.no_grad():
        onehot = encode(rna)
        reference = network(onehot[None].to(DEVICE))[0, 0].item()
        effects = torch.zeros_like(onehot)
        for position in range(len(rna)):
            for base in range(4):
                if onehot[base, position] == 1:
                    continue
                mutant = onehot.clone()
                mutant[:, position] = 0
                mutant[base, position] = 1
                effects[base, position] = network(mutant[None].to(DEVICE))[0, 0].item() - reference
    return effects


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("fasta")
    parser.add_argument("--limit", type=int, default=0, help="take so many probes only")
    parser.add_argument("--out", help="write the effects here, a line a probe")
    asked = parser.parse_args()
    network = load_network(asked.model)
    _, probes = read_fasta(asked.fasta, asked.limit)
    start = time.perf_counter()
    effects = [mutate(network, probe) for probe in probes]
    seconds = time.perf_counter() - start
    if asked.out:
        with open(asked.out, "w") as lines:  # noqa: PTH123
            lines.writelines(json.dumps(effect.tolist()) + "\n" for effect in effects)
    found = {"peer": "mutagenesis_skeleton", "probes": len(probes), "seconds": seconds}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
