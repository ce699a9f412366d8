"""Motifs as binding energies: from a position weight matrix, a consensus, or measured affinities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import Tensor

from ribocyte.errors import DataError, RecipeError, nearest
from ribocyte.files import open_unpacked
from ribocyte.learn.recipe import check
from ribocyte.rna.alphabet import LETTERS

Array = np.ndarray[Any, np.dtype[np.float64]]

RBFOX1_KD: Mapping[str, float] = MappingProxyType(
    {
        "UGCAUGU": 0.83,
        "AGCAUGU": 4.8,
        "CGCAUGU": 6.1,
        "UGCACGU": 4.9,
        "UGUAUGU": 280.0,
        "UACAUGU": 350.0,
        "UGCAUAU": 1830.0,
    }
)
"""Dissociation constants of RBFOX1's RNA-recognition motif in nM: Auweter et al. 2006 (EMBO J. 25, 163), as
tabulated by Koo et al. 2021 (PLoS Comput. Biol. 17, e1008925)."""

IUPAC: Mapping[str, str] = MappingProxyType(
    {
        **{letter: letter for letter in LETTERS},
        **{"T": "U", "R": "AG", "Y": "CU", "S": "CG", "W": "AU", "K": "GU", "M": "AC"},
        **{"B": "CGU", "D": "AGU", "H": "ACU", "V": "ACG", "N": "ACGU"},
    }
)
"""Which bases each letter of a consensus allows (IUPAC-IUB 1985)."""

# Consensus and where it was published, of proteins whose affinities are not built in.
_CONSENSUS = {
    "HuR": ("UUUDUUU", "RNAcompete, Ray et al. 2013 (RNCMPT00032, RNCMPT00112, RNCMPT00274)"),
    "QKI": ("ACUAAY", "SELEX, Galarneau & Richard 2005"),
    "PUM2": ("UGUANAUA", "PAR-CLIP, Hafner et al. 2010"),
}
_LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True, eq=False)
class Motif:
    """What a protein prefers to bind: a free energy per position and base, and the best site's affinity.

    Positions contribute independently (Berg & von Hippel 1987), so a site binds with the dissociation
    constant ``kd · exp(Σ energies)``.

    Parameters
    ----------
    name : str
        Letters, digits, ``_``, ``-`` and ``.``: it becomes a column's name.
    energies : numpy array, float64, shape (L, 4)
        Cost of A, C, G, U at each position in kT, relative to that position's best base; the best costs 0.
    kd : float
        Dissociation constant of the best site, in nM.
    source : str
        Where the numbers come from.

    Raises
    ------
    RecipeError
        If a value is impossible.
    """

    name: str
    energies: Array
    kd: float = 1.0
    source: str = ""

    def __post_init__(self) -> None:
        shape = self.energies.shape
        plain = self.name.replace("_", "").replace("-", "").replace(".", "")
        check(
            plain.isascii() and plain.isalnum(), "motif.name", self.name, "letters, digits, _, - and . only"
        )
        check(len(shape) == 2 and shape[0] >= 1 and shape[1] == 4, "motif.energies' shape", shape, "(L, 4)")
        best = self.energies.min(axis=1)
        check(bool((best == 0).all()), "motif.energies' best", best.tolist(), "0 at every position")
        check(0 < self.kd < np.inf, "motif.kd", self.kd, "a concentration in nM, above 0")

    def __len__(self) -> int:
        return len(self.energies)

    @property
    def probabilities(self) -> Array:
        """How often each base stands at each position of a site drawn by affinity; float64, shape (L, 4)."""
        weights = np.exp(-self.energies)
        shares: Array = weights / weights.sum(axis=1, keepdims=True)
        return shares

    @classmethod
    def from_pwm(cls, name: str, probabilities: Array, kd: float = 1.0, source: str = "") -> Motif:
        """Read base probabilities as Boltzmann weights: ``energy = −ln(p / best p)``.

        Parameters
        ----------
        name, kd, source
            As for `Motif`. A matrix says nothing of the absolute affinity; 1 nM is that of a good site.
        probabilities : numpy array, shape (L, 4)
            Rows in the order A, C, G, U that sum to 1. What is below 0.0001 counts as 0.0001, 9 kT: a
            matrix of a few thousand observations knows no smaller number.

        Raises
        ------
        DataError
            If a row is no distribution over four bases.
        """
        probabilities = np.asarray(probabilities, dtype=np.float64)
        _refuse_no_distribution(probabilities, name)
        floored = probabilities.clip(min=_LEAST_PROBABILITY)
        return cls(name, -np.log(floored / floored.max(axis=1, keepdims=True)), kd, source)

    @classmethod
    def from_consensus(
        cls, consensus: str, name: str = "", mismatch: float = 4.0, kd: float = 1.0, source: str = ""
    ) -> Motif:
        """Charge the same for every base that a consensus does not allow.

        Parameters
        ----------
        consensus : str
            IUPAC letters, such as ``UGUANAUA``; T is read as U.
        name : str
            The consensus where not given.
        mismatch : float
            Cost of a mismatch in kT. 4 kT, a factor of 55, is about the mean over RBFOX1's mutants.
        kd, source
            As for `Motif`.

        Raises
        ------
        RecipeError
            For a letter that is not IUPAC.
        """
        check(bool(consensus), "consensus", consensus, "at least one letter")
        check(mismatch > 0, "mismatch", mismatch, "a cost in kT, above 0")
        for position, letter in enumerate(consensus.upper(), start=1):
            if letter not in IUPAC:
                raise RecipeError(
                    f"consensus {consensus!r} has {letter!r} at position {position}",
                    expected=f"IUPAC letters for bases, {''.join(IUPAC)}",
                )
        allowed = [[base in IUPAC[letter] for base in LETTERS] for letter in consensus.upper()]
        return cls(name or consensus.upper(), np.where(allowed, 0.0, mismatch), kd, source)

    @classmethod
    def from_affinities(cls, name: str, kd: Mapping[str, float], source: str = "") -> Motif:
        """Make an additive model from the affinities of one RNA and of its single mutants.

        The RNA with the lowest constant is the best site, and a measured substitution costs ``ln(kd / best
        kd)``, so every measured RNA gets back exactly its constant. **What was not measured is a guess**:
        another substitution costs the mean of those measured at its position, or, where the position has
        none, the mean over the measured positions.

        Parameters
        ----------
        name, source
            As for `Motif`.
        kd : mapping of str to float
            RNA to dissociation constant in nM.

        Raises
        ------
        DataError
            If an RNA has other letters than A, C, G, U, or is not a single mutant of the best; if a
            constant is not positive.
        """
        if len(kd) < 2 or not all(0 < value < np.inf for value in kd.values()):
            raise DataError(
                f"{name}: affinities {dict(kd)}", expected="two or more RNAs, constants above 0 in nM"
            )
        best = min(kd, key=lambda rna: kd[rna])
        measured = np.full((len(best), 4), np.nan)
        for rna in kd:
            if rna != best:
                position = _mutated_position(best, rna, name)
                measured[position, LETTERS.index(rna[position])] = np.log(kd[rna] / kd[best])
        known = ~np.isnan(measured).all(axis=1)
        usual = np.full(len(best), np.nan)
        usual[known] = np.nanmean(measured[known], axis=1)
        usual[~known] = usual[known].mean()
        energies = np.where(np.isnan(measured), usual[:, None], measured)
        energies[np.arange(len(best)), [LETTERS.index(base) for base in best]] = 0.0
        return cls(name, energies, kd[best], source)


def occupancy(rna: Tensor, motif: Motif, concentration: float) -> Array:
    """Probability that a protein is bound to each RNA, at equilibrium.

    Every position where the motif fits wholly inside the RNA is a site with association constant
    ``exp(−Σ energies) / kd``. An RNA is free or carries one protein at one of its sites: with ``z`` the sum
    of concentration over dissociation constant, the probability is ``z / (1 + z)``. Two proteins on one RNA
    are left out because neighbouring registers overlap, and because RNA is in excess over protein in
    RNAcompete. RNA folding is left out as well.

    Parameters
    ----------
    rna : Tensor, uint8, shape (N, L)
        Tokens as `ribocyte.rna.alphabet.tokens` gives them; N counts as the mean over the four bases,
        and nothing binds to padding.
    motif : Motif
        What is bound.
    concentration : float
        Of free protein, in nM.

    Returns
    -------
    numpy array, float64, shape (N,)
        From 0 to 1; 0 for an RNA shorter than the motif.
    """
    z = concentration * association(rna, motif)
    return z / (1.0 + z)


def association(rna: Tensor, motif: Motif) -> Array:
    """Sum the association constants of all sites of each RNA, in 1/nM; parameters as for `occupancy`."""
    tokens = rna.cpu().numpy()
    windows = tokens.shape[1] - len(motif) + 1
    if windows < 1:
        return np.zeros(len(tokens))
    bases = np.exp(-motif.energies)
    # Columns of N and of padding beside the four bases: a look-up per token, whatever it is.
    weights = np.column_stack([bases, bases.mean(axis=1), np.zeros(len(motif))])
    sites = np.ones((len(tokens), windows))
    for position, weight in enumerate(weights):
        sites *= weight[tokens[:, position : position + windows]]
    total: Array = sites.sum(axis=1) / motif.kd
    return total


def known_motifs() -> dict[str, Motif]:
    """Give the built-in motifs by name: RBFOX1 from measured affinities, the others from a consensus.

    The constants of the consensus motifs (1 nM, 4 kT a mismatch) are ours, chosen to bind as well as RBFOX1.
    """
    rbfox1 = Motif.from_affinities(
        "RBFOX1", RBFOX1_KD, "Auweter et al. 2006, as tabulated by Koo et al. 2021"
    )
    others = [Motif.from_consensus(text, name, source=source) for name, (text, source) in _CONSENSUS.items()]
    return {motif.name: motif for motif in (rbfox1, *others)}


def find_motif(text: str) -> Motif:
    """Give the built-in motif of a name (in any case), or else read the text as a consensus.

    Raises
    ------
    RecipeError
        If it is neither.
    """
    known = known_motifs()
    for name, motif in known.items():
        if name.casefold() == text.casefold():
            return motif
    if text and set(text.upper()) <= set(IUPAC):
        return Motif.from_consensus(text)
    near = nearest(text, known, 1)
    raise RecipeError(
        f"motif {text!r}: not known, and not a consensus",
        expected=f"one of {', '.join(known)}, or IUPAC letters such as UGUANAUA",
        mend=f"did you mean {near[0]}?" if near else "",
    )


def read_hmot(path: Path) -> dict[str, Array]:
    """Read position weight matrices in the ``.hmot`` format of the RNAcompete compendia.

    A matrix is a line ``Motif NAME``, a remark beginning with ``#``, the header ``Pos A C G U``, and a
    numbered row of four probabilities per position; an empty line ends it.

    Parameters
    ----------
    path : Path
        A text file, such as ``pwms.hmot``, gzipped or not.

    Returns
    -------
    dict of str to numpy array, float64, shape (L, 4)
        Probabilities of A, C, G, U by name, in the file's order.

    Raises
    ------
    DataError
        If the file cannot be read, or a line does not fit; the line is named.
    """
    try:
        with open_unpacked(path) as stream:
            lines = stream.read().decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: cannot be read as text: {error}", expected="motifs in the .hmot format"
        ) from error
    rows: dict[str, list[list[float]]] = {}
    name = ""
    for number, line in enumerate(lines, start=1):
        fields, where = line.split(), f"{path}, line {number}"
        match fields:
            case [] | ["#", *_]:
                pass
            case ["Motif", name] if name not in rows:
                rows[name] = []
            case ["Pos", *bases] if name and [base.replace("T", "U") for base in bases] == list(LETTERS):
                pass
            case [position, *values] if name and position == str(len(rows[name]) + 1):
                rows[name].append(_probabilities(values, where))
            case _:
                raise DataError(
                    f"{where}: {line.strip()!r} does not fit",
                    expected="Motif NAME (each once), # remark, Pos A C G U, or the next numbered row",
                )
    empty = [name for name, values in rows.items() if not values]
    if empty or not rows:
        raise DataError(
            f"{path}: " + (f"motif {empty[0]} has no rows" if empty else "no motifs"),
            expected="motifs in the .hmot format, each with a row per position",
        )
    return {name: np.array(values) for name, values in rows.items()}


def _probabilities(values: list[str], where: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]
    except ValueError as error:
        raise DataError(f"{where}: {error}", expected="four probabilities") from error
    _refuse_no_distribution(np.array([numbers]), where)
    return numbers


def _refuse_no_distribution(rows: Array, where: str) -> None:
    if rows.ndim != 2 or rows.shape[1] != 4 or not len(rows):
        raise DataError(f"{where}: probabilities of shape {rows.shape}", expected="four a row: A, C, G, U")
    # The published matrices are rounded to six digits. NaN compares as false, and so is refused.
    fine = (rows >= 0).all(axis=1) & (np.abs(rows.sum(axis=1) - 1.0) < 1e-3)
    if not fine.all():
        at = int((~fine).argmax())
        raise DataError(
            f"{where}: row {at + 1}, {rows[at].tolist()}, sums to {rows[at].sum():.4g}",
            expected="probabilities from 0 to 1 that sum to 1",
            mend="divide counts by their sum first",
        )


def _mutated_position(best: str, rna: str, name: str) -> int:
    changed = [at for at, (was, now) in enumerate(zip(best, rna, strict=False)) if was != now]
    if len(rna) != len(best) or len(changed) != 1 or not set(best + rna) <= set(LETTERS):
        raise DataError(
            f"{name}: {rna!r} is no single mutant of {best!r}",
            expected="RNA (A, C, G, U) with one changed base",
        )
    return changed[0]
