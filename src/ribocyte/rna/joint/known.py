"""Whom a joint network was trained on, and whom it speaks of now."""

from __future__ import annotations

from ribocyte.learn.splits import Info
from ribocyte.rna.proteins.records import protein_from, proteins_of
from ribocyte.rna.proteins.sequences import Protein

KNOWN = "known"
"""Where the ``normalisation`` of an aimed model's info holds the records of the proteins it was trained on."""


def known_proteins(info: Info) -> list[Protein]:
    """Give the proteins that a model was trained on, one for each output it had then, aimed since or not."""
    if KNOWN in info.normalisation:
        return [protein_from(record) for record in info.normalisation[KNOWN]]
    return proteins_of(info)
