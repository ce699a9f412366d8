"""Read proteins by a frozen ESM-2 (Lin et al. 2023), through transformers: the extra [esm].

Its weights are the user's to download, once: ``model.esm`` is a folder, or a name on the Hugging Face Hub. What it
makes of the known proteins is kept in the model file; only to aim the model at others is it needed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ribocyte import extras
from ribocyte.errors import ModelError
from ribocyte.rna.proteins.alignment import region
from ribocyte.rna.proteins.sequences import Protein

Embeddings = Float[Tensor, "proteins width"]
Keys = Float[Tensor, "proteins key"]

LONGEST = 1022
"""Residues that ESM-2 was trained to read at once; what is behind them is left out.

Of the binding region, that is; of the whole protein where no domain is known. `ribocyte.rna.joint.aiming.longest_read`
asks for it, so that whoever is told a prediction is told that as well."""


class ESMReader(nn.Module):
    """Project embeddings to keys; the network that makes them is no part of this one.

    Parameters
    ----------
    path : str
        Folder or name of the ESM-2.
    width : int
        Numbers in an embedding.
    key : int
        Numbers in a key.
    dropout : float
        Share of an embedding that is left out in a step of the training.
    """

    kept = True
    """Features are kept with the weights: they do not follow from the sequences alone."""

    def __init__(self, path: str, width: int, key: int, dropout: float) -> None:
        super().__init__()
        self.path, self.width = path, width
        self.normalise = nn.LayerNorm(width, elementwise_affine=False)
        self.drop, self.project = nn.Dropout(dropout), nn.Linear(width, key, bias=False)

    def features(self, proteins: Sequence[Protein]) -> Embeddings:
        """Embed the binding regions.

        Raises
        ------
        ModelError
            If there is no such network, or its embeddings have another width.
        RequestError
            If the extra [esm] is not installed.
        """
        embedded = torch.stack([embed(self.path, region(protein)) for protein in proteins])
        if embedded.shape[1] != self.width:
            raise ModelError(
                f"{self.path}: embeddings of {embedded.shape[1]} numbers, and model.esm_width = {self.width}",
                expected="the same",
                mend=f"--set model.esm_width={embedded.shape[1]}",
            )
        return embedded

    def forward(self, features: Embeddings) -> Keys:
        """Give the key of each protein, (P, key)."""
        keys: Tensor = self.project(self.drop(self.normalise(features)))
        return keys


@lru_cache(maxsize=4096)
def embed(path: str, residues: str) -> Float[Tensor, " width"]:
    """Embed a sequence: the mean over its residues of the network's last layer, float32.

    Parameters
    ----------
    path : str
        Folder or name of the ESM-2.
    residues : str
        Amino acids; those behind the first `LONGEST` are not read.

    Raises
    ------
    ModelError
        If there is no such network.
    RequestError
        If the extra [esm] is not installed.
    """
    tokenizer, network = _load(path)
    tokens = tokenizer(residues.replace("*", "X")[:LONGEST], return_tensors="pt")
    with torch.inference_mode():
        states: Tensor = network(**tokens).last_hidden_state[0]
    return states[1:-1].float().mean(dim=0).clone()  # without the marks of beginning and end


@lru_cache(maxsize=1)
def _load(path: str) -> tuple[Any, Any]:
    transformers = extras.need("transformers", "esm", "reading proteins by ESM-2")
    try:
        network = transformers.EsmModel.from_pretrained(path, add_pooling_layer=False, use_safetensors=True)
        tokenizer = transformers.EsmTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: no ESM-2 that can be read: {str(error).splitlines()[0][:200]}",
            expected="a folder with config.json, vocab.txt and model.safetensors, or a name on the Hugging Face Hub",
            mend="hf download facebook/esm2_t12_35M_UR50D --local-dir esm2",
        ) from error
    return tokenizer, network.eval()
