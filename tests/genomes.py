"""Small genomes, genes and variants as files, and networks over RNA whose answers are known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

import toys
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Info
from ribocyte.rna.alphabet import one_hot, tokens
from ribocyte.rna.encoding import RNAEncoding

HEADER = (
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
)


def write_fasta(path: Path, contigs: Mapping[str, str], width: int = 60) -> Path:
    """Write a FASTA file with lines of `width` letters."""
    lines = []
    for name, letters in contigs.items():
        lines += [f">{name} described", *(letters[at : at + width] for at in range(0, len(letters), width))]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_vcf(
    path: Path, rows: Iterable[Sequence[object]], samples: Sequence[str] = (), header: Sequence[str] = HEADER
) -> Path:
    """Write a VCF of rows (contig, position, ref, alt), or of rows with all their columns."""
    names = [
        "#CHROM",
        "POS",
        "ID",
        "REF",
        "ALT",
        "QUAL",
        "FILTER",
        "INFO",
        *(["FORMAT", *samples] if samples else []),
    ]
    lines = [*header, "\t".join(names)]
    for row in rows:
        contig, position, *rest = row
        whole = (contig, position, ".", *rest, ".", ".", ".") if len(row) == 4 else tuple(row)
        lines.append("\t".join(map(str, whole)))
    path.write_text("\n".join(lines) + "\n")
    return path


def exon_line(contig: str, start: int, end: int, strand: str, transcript: str, gene: str) -> str:
    """Write an exon as GTF has it: positions from 1, the last included."""
    attributes = f'gene_id "{gene}"; transcript_id "{transcript}";'
    return "\t".join([contig, "test", "exon", str(start), str(end), ".", strand, ".", attributes])


def predictor(network: nn.Module, length: int, *outputs: str) -> Predictor:
    """Make a predictor that reads windows of RNA."""
    names = outputs or ("SIM",)
    info = Info("rnacompete", "toy", "", "strict", names, simulated=True)
    card = {"data": {**vars(info), "outputs": list(names)}}
    return Predictor(network, RNAEncoding(length, names, stride=1), card)


def weigher(length: int, seed: int = 0) -> Predictor:
    """Make a network that adds a weight of its own for every base at every place of a window."""
    generator = torch.Generator().manual_seed(seed)
    return predictor(toys.Linear(torch.randn(4, length, generator=generator)), length)


def score(model: Predictor, rna: str) -> float:
    """Score one window, padded on the right where it is short."""
    with torch.inference_mode():
        return float(model.network(one_hot(tokens([rna], model.encoding.length)))[0, 0])  # type: ignore[attr-defined]


class Finder(nn.Module):
    """Gives 1 where the window holds a word, else 0: (N, 4, L) to (N, 1)."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = one_hot(tokens([word]))

    def forward(self, rna: Tensor) -> Tensor:
        matches = nn.functional.conv1d(rna, self.word).amax(dim=2)
        return torch.relu(matches - self.word.shape[2] + 1)
