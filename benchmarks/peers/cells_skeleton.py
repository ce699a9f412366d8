"""A CNN for BloodMNIST, trained the way a course's skeleton does it: pictures one by one, float32, Adam, batch 64.

    python cells_skeleton.py bloodmnist.npz [--pool] [--steps 40] [--epochs 0] [--seed 0]

Times so many steps after five to warm up, or trains whole epochs and scores. One JSON line on stdout.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

BATCH = 64
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Pictures(Dataset):
    def __init__(self, arrays, part):
        self.images, self.labels = arrays[f"{part}_images"], arrays[f"{part}_labels"].reshape(-1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, row):
        pixels = np.asarray(Image.fromarray(self.images[row]).convert("RGB"), dtype=np.float32)
        picture = torch.from_numpy(pixels).permute(2, 0, 1) / 255
        return (picture - 0.5) / 0.5, int(self.labels[row])


def make_network(pool):
    layers = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, kernel_size=3, padding=1), nn.ReLU()]
        if pool:
            layers.append(nn.MaxPool2d(2))
    side = 28 // 8 if pool else 28
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(128 * side * side, 256), nn.ReLU(), nn.Linear(256, 8)
    )


def take_step(network, optimizer, criterion, images, labels):
    optimizer.zero_grad()
    loss = criterion(network(images.to(DEVICE)), labels.to(DEVICE))
    loss.backward()
    optimizer.step()
    return loss.item()


def score(network, arrays, part):
    network.eval()
    right = 0
    with torch.no_grad():
        for images, labels in DataLoader(Pictures(arrays, part), batch_size=BATCH):
            right += int((network(images.to(DEVICE)).argmax(dim=1).cpu() == labels).sum())
    network.train()
    return right / len(arrays[f"{part}_labels"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("npz")
    parser.add_argument("--pool", action="store_true")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.manual_seed(asked.seed)
    arrays = dict(np.load(asked.npz))
    network, criterion = make_network(asked.pool).to(DEVICE), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    loader = DataLoader(Pictures(arrays, "train"), batch_size=BATCH, shuffle=True)
    found = {"peer": "cells_skeleton", "pool": asked.pool}
    if asked.epochs:
        start = time.perf_counter()
        for _ in range(asked.epochs):
            for images, labels in loader:
                take_step(network, optimizer, criterion, images, labels)
        found |= {"epochs": asked.epochs, "seconds": time.perf_counter() - start}
        found |= {part: score(network, arrays, part) for part in ("val", "test")}
    else:
        batches = itertools.chain.from_iterable(itertools.repeat(loader))
        for images, labels in itertools.islice(batches, 5):
            take_step(network, optimizer, criterion, images, labels)
        start, seen = time.perf_counter(), 0
        for images, labels in itertools.islice(batches, asked.steps):
            take_step(network, optimizer, criterion, images, labels)
            seen += len(images)
        found["images_per_second"] = seen / (time.perf_counter() - start)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
