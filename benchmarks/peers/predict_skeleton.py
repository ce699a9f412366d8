"""Predictions for a FASTA file, the plain way: one RNA after the other, or a Dataset and a DataLoader.

    python predict_skeleton.py model.safetensors rnas.fasta {one,loader} [--limit N] [--out FILE]

The network is the one whose weights are in the file, a CNN as `ribocyte train rna/cnn` writes it, in plain PyTorch.
Writes a name and a number a line; prints how many and the seconds, reading and writing included, as one JSON line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, Dataset

LENGTH = 41
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class CNN(nn.Module):
    def __init__(self, detectors, width, hidden, outputs):
        super().__init__()
        self.detect = nn.Conv2d(4, detectors, (1, width), padding=(0, width // 2))
        self.weigh = nn.Sequential(nn.BatchNorm1d(detectors), nn.ReLU())
        self.regress = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(detectors, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(hidden, outputs),
        )

    def forward(self, rna):
        there = rna.sum(dim=1, keepdim=True) > 0
        matches = self.detect(rna.unsqueeze(2)).squeeze(2)
        strongest = matches.masked_fill(~there, float("-inf")).amax(dim=2)
        return self.regress(self.weigh(strongest))


def load_network(path):
    weights = load_file(path)
    detectors, _, _, width = weights["detect.weight"].shape
    network = CNN(detectors, width, len(weights["regress.1.weight"]), len(weights["regress.5.weight"]))
    network.load_state_dict({name: weights[name] for name in network.state_dict()})
    return network.eval().to(DEVICE)


def encode(rna):
    onehot = torch.zeros(4, LENGTH)
    for position, letter in enumerate(rna):
        onehot["ACGU".index(letter), position] = 1
    return onehot


def read_fasta(path, limit):
    names, rnas = [], []
    with open(path) as lines:  # noqa: PTH123
        for line in lines:
            if line.startswith(">"):
                if limit and len(names) == limit:
                    break
                names.append(line[1:].split()[0])
                rnas.append("")
            else:
                rnas[-1] += line.strip()
    return names, rnas


class RNAs(Dataset):
    def __init__(self, rnas):
        self.rnas = rnas

    def __len__(self):
        return len(self.rnas)

    def __getitem__(self, row):
        return encode(self.rnas[row])


def predict(network, rnas, way):
    with torch.no_grad():
        if way == "one":
            return [network(encode(rna)[None].to(DEVICE))[0, 0].item() for rna in rnas]
        batches = DataLoader(RNAs(rnas), batch_size=64)
        return [value for batch in batches for value in network(batch.to(DEVICE))[:, 0].tolist()]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("fasta")
    parser.add_argument("way", choices=["one", "loader"])
    parser.add_argument("--limit", type=int, default=0, help="predict so many RNAs only")
    parser.add_argument("--out")
    asked = parser.parse_args()
    start = time.perf_counter()
    network = load_network(asked.model)
    names, rnas = read_fasta(asked.fasta, asked.limit)
    values = predict(network, rnas, asked.way)
    if asked.out:
        with open(asked.out, "w") as table:  # noqa: PTH123
            table.writelines(f"{name}\t{value}\n" for name, value in zip(names, values, strict=True))
    seconds = time.perf_counter() - start
    found = {"peer": "predict_skeleton", "way": asked.way, "rnas": len(rnas), "seconds": seconds}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
