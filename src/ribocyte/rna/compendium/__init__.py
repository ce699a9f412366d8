"""All experiments on the array at once: (probes, experiments) intensities in a folder, mapped into memory.

The official table is 628 MB of text. The folder holds the same as arrays, made of it in 15 s and 0.6 GB of memory::

    tokens.npy        uint8    (N, L)   letters of each probe, see `ribocyte.rna.alphabet`
    intensities.npy   float16  (N, P)   NaN where the spot failed
    names.npy         bytes    (N,)     Probe_ID
    in_test.npy       bool     (N,)     Set B
    first_row.npy     uint32   (N,)     row where each probe's sequence first occurs
    compendium.json                     experiments, where they come from, and what half precision changed

241,357 × 244 are 118 MB instead of 236, mapped and never read as a whole. Half precision has eleven significant
bits. On the 60,000 measured values of A1CF it changes an intensity by 0.0007 (root mean square; 0.02 at most, of an
intensity of 50), and a target, which is a z-score of the logarithm, by 0.0002. The best network's error is 0.6: what
is lost is three thousand times smaller, and Spearman's rho of a network changes in the sixth digit.
"""

from __future__ import annotations

from ribocyte.rna.compendium.array import A1CF, Conditions
from ribocyte.rna.compendium.simulation import SimulationConfig, read_design, simulate
from ribocyte.rna.compendium.store import Compendium, load_splits
from ribocyte.rna.compendium.writing import build

__all__ = [
    "A1CF",
    "Compendium",
    "Conditions",
    "SimulationConfig",
    "build",
    "load_splits",
    "read_design",
    "simulate",
]
