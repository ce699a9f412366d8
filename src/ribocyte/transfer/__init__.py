"""What is gained by learning many proteins together, measured under four named protocols.

``known``
    Probes of Set B, of proteins that trained. Networks of one protein, trained on the same probes, stand beside.
``cluster``
    Proteins that did not train, nor any relative of theirs above 50 % identity; whole clusters, several folds.
    Ends with what is to be used: a model of all proteins, and how far to trust it for others.
``few-shot``
    A new protein of which a few probes were measured.
``family``
    Proteins whose kind of domain no training protein has.

Everything is averaged over proteins, and intervals are over clusters of relatives: two proteins that are relatives do
not tell twice as much as one.
"""
