"""What every protocol scores on: the proteins, their relatives, and some probes of Set B with their measurements."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.rna.compendium.store import Compendium
from ribocyte.rna.proteins.alignment import Identities, identity_matrix, likeness_matrix
from ribocyte.rna.proteins.clusters import find_clusters, make_folds
from ribocyte.rna.proteins.constructs import CONSTRUCTS, find_proteins
from ribocyte.rna.proteins.sequences import Protein
from ribocyte.rna.protocols import Scale
from ribocyte.transfer.scoring import Measured

Labels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bench:
    """Experiments, their proteins, and the probes they are scored on.

    Parameters
    ----------
    experiments : tuple of str
        All of the compendium.
    proteins : tuple of Protein
        Each different one once.
    owner : numpy array, int64, shape (E,)
        The number of each experiment's protein.
    identities : numpy array, float32, shape (Q, Q)
        Of proteins to each other.
    clusters, folds : numpy array, int64, shape (Q,)
        Of each protein.
    tokens : Tensor, uint8, shape (N, L)
        Probes of Set B.
    measured : tuple of Measured
        Each experiment's intensities there.
    training_probes : int
        How many of Set A may be trained on.
    simulated : bool
        Whether a simulator's.
    fingerprint : str
        Of experiments, proteins and these measurements.
    """

    experiments: tuple[str, ...]
    proteins: tuple[Protein, ...]
    owner: Labels
    identities: Identities
    clusters: Labels
    folds: Labels
    tokens: Tensor
    measured: tuple[Measured, ...]
    training_probes: int
    simulated: bool
    fingerprint: str

    def of(self, proteins: Sequence[Protein]) -> list[int]:
        """Give the numbers of the experiments made with some proteins, in the order of `experiments`."""
        wanted = {self.proteins.index(protein) for protein in proteins}
        return [number for number, owner in enumerate(self.owner) if int(owner) in wanted]

    def protein(self, experiment: str) -> Protein:
        """Give an experiment's protein."""
        return self.proteins[int(self.owner[self.experiments.index(experiment)])]

    def targets(self, experiments: Sequence[int]) -> Tensor:
        """Give what networks are to predict for some experiments, (N, E); NaN where a spot failed."""
        return torch.from_numpy(np.stack([self.measured[number].targets for number in experiments], axis=1))

    @cached_property
    def likenesses(self) -> Identities:
        """How alike proteins are where identity must not be that of a part; see `likeness_matrix`."""
        return likeness_matrix(self.identities, self.proteins, self.proteins)

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm of intensity that is usual: the median over experiments."""
        return float(np.median([measured.scale.std for measured in self.measured]))


def open_bench(
    compendium: Compendium,
    constructs: Mapping[str, Protein],
    *,
    probes: int,
    identity: float,
    folds: int,
    seed: int,
) -> Bench:
    """Look at a compendium and its proteins.

    Parameters
    ----------
    compendium : Compendium
        Measurements.
    constructs : mapping of str to Protein
        By experiment.
    probes : int
        Of Set B, drawn by the seed; 0 is all.
    identity, folds, seed
        As the data kind ``compendium`` holds clusters out, so that the folds are the same.

    Raises
    ------
    DataError
        If the proteins are not known, or fewer clusters than folds.
    """
    if not constructs:
        raise DataError(
            f"{compendium.path}: its proteins are not known",
            expected=f"{CONSTRUCTS.name} in the data folder",
        )
    owners = find_proteins(compendium.experiments, constructs)
    proteins = list(dict.fromkeys(owners))
    identities = identity_matrix(proteins, proteins)
    clusters = find_clusters(identities, identity)
    rows = compendium.rows()
    chosen = draw_rows(rows.test, probes, seed)
    intensities = np.asarray(compendium.intensities)  # once: its columns lie apart
    measured = []
    for number, experiment in enumerate(compendium.experiments):
        column = intensities[:, number].astype(np.float64)
        measured.append(
            Measured(experiment, column[chosen].astype(np.float32), Scale.measure(column[rows.train]))
        )
    tokens = torch.from_numpy(compendium.tokens[chosen])
    digest = hashlib.sha256("\n".join(compendium.experiments).encode())
    digest.update("\n".join(protein.sequence for protein in owners).encode())
    for part in (tokens.numpy(), *(one.intensities for one in measured)):
        digest.update(part.tobytes())
    return Bench(
        experiments=compendium.experiments,
        proteins=tuple(proteins),
        owner=np.array([proteins.index(protein) for protein in owners]),
        identities=identities,
        clusters=clusters,
        folds=make_folds(clusters, folds, seed),
        tokens=tokens,
        measured=tuple(measured),
        training_probes=len(rows.train),
        simulated=compendium.simulated,
        fingerprint=digest.hexdigest(),
    )


def draw_rows(rows: Labels, count: int, seed: int) -> Labels:
    """Draw some of the rows without replacement, in their order; all where `count` is 0 or more than there are."""
    if count == 0 or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
