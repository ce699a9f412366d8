"""Networks for one RNAcompete experiment, trained the plain way: pandas, one-hot by hand, DataLoader, float32, Adam.

    python rna_skeleton.py norm_data.txt RNCMPT00001 {cnn,bilstm,residual} [--steps 40] [--epochs 0] [--batch 64]

The networks are of the published kinds and sizes: detectors and a maximum (Alipanahi et al. 2015); detectors and a
bidirectional LSTM (Hassanzadeh & Wang 2016); a dilated residual block (Koo et al. 2021). Times so many steps after
five to warm up, or trains whole epochs, keeps the best by validation, and scores. One JSON line on stdout.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import sys
import time

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

LENGTH = 41
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.detect = nn.Conv1d(4, 96, kernel_size=8, padding=4)
        self.regress = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(96, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1)
        )

    def forward(self, rna):
        return self.regress(torch.relu(self.detect(rna)).amax(dim=2)).squeeze(1)


class BiLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.detect = nn.Conv1d(4, 96, kernel_size=9, padding=4)
        self.read = nn.LSTM(96, 128, batch_first=True, bidirectional=True)
        self.regress = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(256, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1)
        )

    def forward(self, rna):
        states, _ = self.read(torch.relu(self.detect(rna)).transpose(1, 2))
        return self.regress(states.amax(dim=1)).squeeze(1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(*self.convolve(4, 11, 1), nn.ReLU(), nn.Dropout(0.1))
        inner = self.convolve(96, 3, 1)
        for dilation in (2, 4, 8):
            inner += [nn.ReLU(), nn.Dropout(0.1), *self.convolve(96, 3, dilation)]
        self.block = nn.Sequential(*inner)
        self.regress = nn.Sequential(
            nn.AvgPool1d(10),
            nn.Dropout(0.2),
            nn.Flatten(),
            nn.Linear(96 * 4, 256, bias=False),
            nn.BatchNorm1d(256),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(256, 1),
        )

    @staticmethod
    def convolve(inputs, width, dilation):
        reach = dilation * (width // 2)
        return [
            nn.Conv1d(inputs, 96, width, padding=reach, dilation=dilation, bias=False),
            nn.BatchNorm1d(96),
        ]

    def forward(self, rna):
        maps = self.stem(rna)
        return self.regress(torch.relu(maps + self.block(maps))).squeeze(1)


NETWORKS = {"cnn": CNN, "bilstm": BiLSTM, "residual": Residual}


def encode(probes):
    onehot = np.zeros((len(probes), 4, LENGTH), dtype=np.float32)
    for row, probe in enumerate(probes):
        for position, letter in enumerate(probe):
            onehot[row, "ACGU".index(letter), position] = 1
    return torch.from_numpy(onehot)


def scale(values):
    values = np.minimum(values, np.percentile(values, 99.95))
    if values.min() <= 0:
        values = values + abs(values.min()) + 1
    logs = np.log(values + 1e-6)
    return torch.from_numpy((logs - logs.mean()) / (logs.std() + 1e-6)).float()


def read_splits(path, experiment, limit):
    table = pd.read_csv(path, sep="\t")
    table[experiment] = pd.to_numeric(table[experiment], errors="coerce")
    table = table[table[experiment].notna()]
    in_a = np.flatnonzero(table["Probe_Set"] == "SetA")
    order = np.arange(len(in_a))
    np.random.RandomState(42).shuffle(order)  # the assignment's split
    validating = int(0.2 * len(in_a))
    train = in_a[order[validating:]]
    rows = {
        "train": train[:limit] if limit else train,
        "val": in_a[order[:validating]],
        "test": np.flatnonzero(table["Probe_Set"] == "SetB"),
    }
    probes, values = table["RNA_Seq"].to_numpy(), table[experiment].to_numpy()
    return {name: TensorDataset(encode(probes[part]), scale(values[part])) for name, part in rows.items()}


def take_step(network, optimizer, criterion, rna, targets):
    optimizer.zero_grad()
    loss = criterion(network(rna.to(DEVICE)), targets.to(DEVICE))
    loss.backward()
    optimizer.step()
    return loss.item()


def score(network, split):
    network.eval()
    with torch.no_grad():
        batches = DataLoader(split, batch_size=512)
        predicted = torch.cat([network(rna.to(DEVICE)).cpu() for rna, _ in batches]).numpy()
    network.train()
    measured = split.tensors[1].numpy()
    return {
        "spearman": float(stats.spearmanr(predicted, measured)[0]),
        "pearson": float(stats.pearsonr(predicted, measured)[0]),
    }


def train_epochs(network, splits, loader, optimizer, criterion, epochs):
    start, best, kept = time.perf_counter(), -2.0, network.state_dict()
    for _ in range(epochs):
        for rna, targets in loader:
            take_step(network, optimizer, criterion, rna, targets)
        reached = score(network, splits["val"])["spearman"]
        if reached > best:
            best, kept = reached, copy.deepcopy(network.state_dict())
    seconds = time.perf_counter() - start
    network.load_state_dict(kept)
    scores = {part: score(network, splits[part]) for part in ("val", "test")}
    return {"epochs": epochs, "seconds": seconds, **scores}


def time_steps(network, loader, optimizer, criterion, steps):
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    for rna, targets in itertools.islice(batches, 5):
        take_step(network, optimizer, criterion, rna, targets)
    start, seen = time.perf_counter(), 0
    for rna, targets in itertools.islice(batches, steps):
        take_step(network, optimizer, criterion, rna, targets)
        seen += len(rna)
    return {"sequences_per_second": seen / (time.perf_counter() - start)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table")
    parser.add_argument("experiment")
    parser.add_argument("network", choices=list(NETWORKS))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, default=0, help="train on so many probes only")
    asked = parser.parse_args()
    torch.manual_seed(asked.seed)
    splits = read_splits(asked.table, asked.experiment, asked.limit)
    network, criterion = NETWORKS[asked.network]().to(DEVICE), nn.MSELoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(splits["train"], batch_size=asked.batch, shuffle=True)
    found = {
        "peer": "rna_skeleton",
        "network": asked.network,
        "experiment": asked.experiment,
        "train": len(splits["train"]),
    }
    if asked.epochs:
        found |= train_epochs(network, splits, loader, optimizer, criterion, asked.epochs)
    else:
        found |= time_steps(network, loader, optimizer, criterion, asked.steps)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
