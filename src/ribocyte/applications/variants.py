"""Which variants of a VCF change the binding of RNA: annotate them with what a network predicts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from ribocyte.errors import DataError, RequestError
from ribocyte.files import atomic_write
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.genes import TranscriptIndex, read_gtf
from ribocyte.rna.genome import Genome
from ribocyte.rna.meme import read_motifs
from ribocyte.rna.variants.alleles import LONGEST
from ribocyte.rna.variants.batches import score_rows
from ribocyte.rna.variants.effects import Scorer
from ribocyte.rna.variants.readings import Reader
from ribocyte.rna.variants.rows import Row, open_rows
from ribocyte.rna.variants.sites import Contributions, Motifs
from ribocyte.rna.variants.verdicts import TABLE, Verdict, summarise, tabulate
from ribocyte.rna.variants.writing import annotate_header, annotate_row, open_writer
from ribocyte.version import VERSION

LISTED = 10
"""Strongest losses and gains that a report lists."""
STRANDS: Mapping[str, str] = {"both": "+-", "+": "+", "-": "-"}


@dataclass(frozen=True)
class VariantSettings:
    """How variants are scored.

    Parameters
    ----------
    output : str
        Which output of the model; may be left out where there is only one.
    strand : str
        Which strands are read where no gene says: ``both``, ``+`` or ``-``.
    intergenic : bool
        Where genes are given: score variants outside of them too.
    longest : int
        Alleles longer than this, in nt, are skipped.
    named : float
        Losses and gains from here on, in the network's unit, are given the name of a site; 0 names none. Half a
        standard deviation of the log intensities it learned from is more than a network is usually off for
        background.
    bf16 : bool
        Compute in bfloat16; see `ribocyte.rna.variants.effects.Scorer`.

    Raises
    ------
    RequestError
        If a value is impossible.
    """

    output: str = ""
    strand: str = "both"
    intergenic: bool = False
    longest: int = LONGEST
    named: float = 1.0
    bf16: bool = False

    def __post_init__(self) -> None:
        for name, right, expected in (
            ("strand", self.strand in STRANDS, ", ".join(STRANDS)),
            ("longest", self.longest >= 1, "1 nt or more"),
            ("named", self.named >= 0, "0 or more"),
        ):
            if not right:
                raise RequestError(f"{name} = {getattr(self, name)}", expected=expected)


@dataclass(frozen=True)
class VariantFiles:
    """What is read and written.

    Parameters
    ----------
    vcf : Path
        Variants: VCF or BCF, bgzipped or not.
    fasta : Path
        The genome they are of.
    out : Path
        The same rows, annotated: ``.vcf.gz``, ``.vcf`` or ``.bcf``.
    gtf : Path, optional
        Genes; without them the genome is read, not RNAs.
    tsv : Path, optional
        A table as well, a row a reading.
    motifs : Path, optional
        Known motifs to name sites by, as MEME or hmot.

    Raises
    ------
    RequestError
        If a file is both read and written.
    """

    vcf: Path
    fasta: Path
    out: Path
    gtf: Path | None = None
    tsv: Path | None = None
    motifs: Path | None = None

    def __post_init__(self) -> None:
        read = [path for path in (self.vcf, self.fasta, self.gtf, self.motifs) if path and path.exists()]
        for written in (path for path in (self.out, self.tsv) if path and path.exists()):
            if any(written.samefile(path) for path in read):
                raise RequestError(f"{written}: is an input as well", expected="another file to write")
        if self.tsv and self.tsv.absolute() == self.out.absolute():
            raise RequestError(f"{self.tsv}: is both --out and --tsv", expected="two files")


@dataclass
class VariantReport:
    """What was done.

    Parameters
    ----------
    output : str
        Whose effects these are.
    simulated : bool
        Whether the model learned from a simulation.
    rows, alleles, scored : int
        Read; ALTs of them; those of them that have an effect now.
    readings : int
        Of the scored alleles, on all strands and in all transcripts.
    unknown : int
        Scored alleles some of whose windows hold N.
    skipped, examples : dict
        How many alleles were skipped and why, and the first of each.
    windows, computed : int
        Windows scored, and how many of those differ within their batch.
    transcripts_left_out : dict
        How many transcripts lie on each contig that the genome lacks, or beyond its end.
    losses, gains : list
        The strongest effects: row, effect and site in words, largest first.
    sorted, indexed : bool
        Whether the rows are sorted; whether the file has an index.
    seconds : float
    """

    output: str
    simulated: bool
    rows: int = 0
    alleles: int = 0
    scored: int = 0
    readings: int = 0
    unknown: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    windows: int = 0
    computed: int = 0
    transcripts_left_out: dict[str, int] = field(default_factory=dict)
    losses: list[dict[str, Any]] = field(default_factory=list)
    gains: list[dict[str, Any]] = field(default_factory=list)
    sorted: bool = True
    indexed: bool = False
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON values."""
        return asdict(self)


def annotate_variants(
    model: Predictor,
    files: VariantFiles,
    settings: VariantSettings | None = None,
    *,
    name: str = "",
    progress: Callable[[int], None] | None = None,
) -> VariantReport:
    """Score the variants of a file, and write them with what was found.

    Rows keep their order, and every field that is not ours its letters. Rows that are not scored are kept, and say
    why. Memory does not grow with the number of rows.

    Parameters
    ----------
    model : Predictor
        Of RNA; any network.
    files : VariantFiles
        What is read and written.
    settings : VariantSettings, optional
        How.
    name : str
        What the model is called, for the header.
    progress : callable, optional
        Called with the number of rows done.

    Raises
    ------
    RequestError
        If the model reads no RNA, or no such output.
    DataError
        If a file cannot be read or is not what it should be.
    DiskError
        If a file cannot be written.
    """
    settings = settings or VariantSettings()
    if not isinstance(model.encoding, RNAEncoding):
        raise RequestError("model: reads images of cells", expected="a model that reads RNA")
    if model.encoding.length < 2:
        raise RequestError(
            "model: reads windows of 1 nt", expected="windows that hold a variant's neighbours"
        )
    output = model.info.find_output(settings.output)
    report = VariantReport(model.info.outputs[output], model.info.simulated)
    scorer, began = Scorer(model, output, bf16=settings.bf16), time.perf_counter()
    namer = Motifs(read_motifs(files.motifs)) if files.motifs else Contributions(scorer)
    with contextlib.ExitStack() as stack:
        genome = stack.enter_context(Genome(files.fasta))
        genes = _read_genes(files.gtf, genome, report) if files.gtf else None
        reader = Reader(genome, scorer.length, genes, STRANDS[settings.strand], settings.intergenic)
        header, rows = stack.enter_context(open_rows(files.vcf))
        writer = stack.enter_context(open_writer(files.out))
        table = stack.enter_context(_open_table(files.tsv))
        writer.write_header(annotate_header(header, _describe(report, settings, files, name)))
        for row, verdicts in score_rows(rows, reader, scorer, namer, settings.named, settings.longest):
            writer.write(row, annotate_row(row, verdicts))
            table(row, verdicts)
            _count(report, row, verdicts)
            if progress is not None:
                progress(report.rows)
        report.sorted, report.indexed = writer.sorted, writer.indexed
    report.windows, report.computed = scorer.asked, scorer.computed
    report.seconds = time.perf_counter() - began
    return report


def _read_genes(path: Path, genome: Genome, report: VariantReport) -> TranscriptIndex:
    transcripts = read_gtf(path)
    genes = TranscriptIndex(transcripts, genome)
    report.transcripts_left_out = genes.unknown
    if not genes:
        raise DataError(
            f"{path}: none of its {len(transcripts):,} transcripts lies on the genome",
            expected=f"contigs such as {', '.join(list(genome.contigs)[:3])}",
            mend=f"the GTF has {', '.join(list(genes.unknown)[:3])}: is it of this genome?",
        )
    return genes


def _describe(
    report: VariantReport, settings: VariantSettings, files: VariantFiles, name: str
) -> dict[str, str]:
    """Say in the header what made the numbers."""
    return {
        "Version": VERSION,
        "Model": name,
        "Experiment": report.output,
        "Simulated": "yes" if report.simulated else "no",
        "Unit": "z-score of log intensity",
        "Genome": files.fasta.name,
        "Genes": files.gtf.name if files.gtf else "none",
        "Strand": "of the gene" if files.gtf else settings.strand,
    }


@contextlib.contextmanager
def _open_table(path: Path | None) -> Iterator[Callable[[Row, tuple[Verdict, ...]], None]]:
    """Give the function that writes a row's lines of the table, where one is wanted."""
    if path is None:
        yield lambda _row, _verdicts: None
        return
    with atomic_write(path) as stream:
        _write_line(stream, tuple(TABLE))

        def write(row: Row, verdicts: tuple[Verdict, ...]) -> None:
            for line in tabulate(row, verdicts):
                _write_line(stream, line)

        yield write


def _write_line(stream: IO[bytes], cells: tuple[str, ...]) -> None:
    stream.write(("\t".join(cells) + "\n").encode("utf-8", "surrogateescape"))


def _count(report: VariantReport, row: Row, verdicts: tuple[Verdict, ...]) -> None:
    report.rows += 1
    for alternative, verdict in zip(row.alternatives, verdicts, strict=True):
        report.alleles += 1
        if verdict.skip is not None:
            reason = verdict.skip.value
            report.skipped[reason] = report.skipped.get(reason, 0) + 1
            report.examples.setdefault(reason, _name(row, alternative))
            continue
        report.scored += 1
        report.readings += len(verdict.scored)
        report.unknown += any(one.effect.unknown for one in verdict.scored)
        _list(report, row, alternative, verdict)


def _list(report: VariantReport, row: Row, alternative: str, verdict: Verdict) -> None:
    """Keep the strongest losses and gains."""
    one = verdict.strongest
    assert one is not None, "a scored allele has a reading"
    sign = 1 if one.effect.delta < 0 else -1
    listed = report.losses if sign > 0 else report.gains
    if not sign * one.effect.delta < (sign * listed[-1]["delta"] if len(listed) == LISTED else 0):
        return
    facts = {
        "variant": _name(row, alternative),
        "delta": one.effect.delta,
        "gene": one.reading.gene,
        "reading": one.reading.kind.value,
        "strand": one.reading.strand,
        "site": summarise(row.contig, one),
    }
    listed.append(facts)
    listed.sort(key=lambda facts: sign * float(facts["delta"]))
    del listed[LISTED:]


def _name(row: Row, alternative: str) -> str:
    short = [text if len(text) <= 20 else f"{text[:17]}…" for text in (row.reference, alternative)]
    return f"{row.contig}:{row.position} {short[0]}>{short[1]}"
