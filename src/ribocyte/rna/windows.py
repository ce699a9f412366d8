"""Windows of RNA through a network, many at a time: what variants and scans both rest on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.learn.predictor import BATCHES, Predictor

Scores = NDArray[np.float32]


class WindowScorer:
    """One output of a network for any number of windows.

    Parameters
    ----------
    model : Predictor
        Any network over RNA.
    output : int
        Which of its outputs.
    bf16 : bool
        Compute in bfloat16: faster on processors that have instructions for it, and rounded to three digits, so off
        by up to about 0.05 in a z-score.
    """

    def __init__(self, model: Predictor, output: int = 0, *, bf16: bool = False) -> None:
        self.model, self.output, self.bf16 = model, output, bf16
        self.batch = BATCHES.get(model.device.type, 1024)

    def __call__(self, windows: Tensor) -> Scores:
        """Score windows (N, L) uint8; gives (N,) float32.

        On a CPU, as many batches run side by side as there are threads. One thread a batch, instead of all threads in
        every operation of one: they need not wait for each other, which on a busy machine takes ten times as long as
        the work.
        """
        threads, network = torch.get_num_threads(), self.model.network
        batches = torch.split(windows, self.batch)
        if self.model.device.type != "cpu" or threads == 1 or len(batches) == 1:
            return np.concatenate([self._score(batch) for batch in batches])
        was_training = network.training
        network.eval()  # each batch puts back what it finds, so they must all find the same
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as pool:
                return np.concatenate(list(pool.map(self._score, batches)))
        finally:
            torch.set_num_threads(threads)
            network.train(was_training)

    def _score(self, windows: Tensor) -> Scores:
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.bf16):
            scores: Scores = self.model.outputs(windows, self.batch)[:, self.output].numpy()
        return scores
