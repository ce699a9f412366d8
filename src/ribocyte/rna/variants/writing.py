"""Annotated VCF and BCF: header lines, INFO fields, and files that appear whole, with their index, or not at all."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ribocyte.errors import DataError, DiskError, RequestError
from ribocyte.extras import need
from ribocyte.rna.genome import quiet_htslib
from ribocyte.rna.variants.alleles import REASONS, Skip
from ribocyte.rna.variants.rows import Row
from ribocyte.rna.variants.verdicts import Verdict, write_effect, write_reading, write_score

READINGS = "RIBOCYTE"
"""The INFO field with everything known of every reading."""
MISMATCH = "RC_REF"
"""The FILTER of rows whose REF is not what the genome has."""

SUMMARY: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "RC_DELTA": ("Float", "Effect: best window after less best window before"),
        "RC_LOSS": ("Float", "Largest fall of a window that covers the change"),
        "RC_LOSS_POS": ("Integer", "Leftmost nucleotide of that window"),
        "RC_GAIN": ("Float", "Largest rise of a window that covers the change"),
        "RC_GAIN_POS": ("Integer", "Leftmost nucleotide of that window"),
        "RC_STRAND": ("String", "Strand of the RNA"),
        "RC_LOST": ("String", "Site lost and its leftmost nucleotide, as SITE@POSITION"),
        "RC_GAINED": ("String", "Site gained and its leftmost nucleotide, as SITE@POSITION"),
    }
)
"""INFO fields with one value an ALT, of the reading with the largest effect: types and descriptions."""

SKIPPED = "RC_SKIPPED"
_DETAILS = (
    "allele|reading|gene|transcripts|region|strand|windows|windows_with_n|before|after|delta"
    "|loss|loss_position|gain|gain_position|lost|lost_position|gained|gained_position"
)
_OWN = {READINGS, SKIPPED, *SUMMARY}
_OWN_LINE = re.compile(rf"##(?:ribocyte=|(?:INFO|FILTER)=<ID=(?:{'|'.join([*_OWN, MISMATCH])}),)")
_END_OF_TABIX = 2**29
"""Nucleotides; what lies beyond needs the other kind of index."""
_SPECIAL = re.compile(r"[%|,;=&\s]")
SUFFIXES = (".vcf.gz", ".vcf.bgz", ".vcf", ".bcf")


def annotate_header(header: Sequence[str], about: Mapping[str, str]) -> list[str]:
    """Add the lines that describe our fields, above that of the columns; those of an earlier run are replaced.

    Parameters
    ----------
    header : sequence of str
        As `ribocyte.rna.variants.rows.open_rows` gives it.
    about : mapping of str to str
        What made the numbers: version, model, experiment, …
    """
    facts = ",".join(f'{key}="{_quote(value)}"' for key, value in about.items())
    reasons = "; ".join(f"{skip}: {REASONS[skip]}" for skip in Skip)
    own = [
        f"##ribocyte=<ID=variants,{facts}>",
        *(_info(name, "A", *what) for name, what in SUMMARY.items()),
        _info(SKIPPED, "A", "String", f"Why the allele has no effect: {reasons}"),
        _info(
            READINGS, ".", "String", f"Every reading of every scored allele, ALTs counted from 1: {_DETAILS}"
        ),
        f'##FILTER=<ID={MISMATCH},Description="{REASONS[Skip.reference_mismatch]}; not scored">',
    ]
    return [*(line for line in header[:-1] if not _OWN_LINE.match(line)), *own, header[-1]]


def annotate_row(row: Row, verdicts: Sequence[Verdict]) -> str:
    """Write a row with what is known of its alleles; every other field of it stays as it is."""
    kept = [field for field in row.info.split(";") if field.partition("=")[0] not in {*_OWN, ".", ""}]
    filters = [one for one in row.filters.split(";") if one != MISMATCH]
    if any(verdict.skip is Skip.reference_mismatch for verdict in verdicts):
        filters = [*(one for one in filters if one not in ("PASS", ".")), MISMATCH]
    info = ";".join([*kept, *_fields(verdicts)])
    alternatives = ",".join(row.alternatives)
    columns = (row.contig, str(row.position), row.name, row.reference, alternatives, row.quality)
    return "\t".join((*columns, ";".join(filters) or ".", info or ".")) + row.rest


@contextlib.contextmanager
def open_writer(path: Path) -> Iterator[VariantWriter]:
    """Open a VCF or BCF for writing; it appears, with its index where the rows are sorted, when all is done.

    Raises
    ------
    RequestError
        If the name ends in none of ``.vcf.gz``, ``.vcf.bgz``, ``.vcf``, ``.bcf``.
    DiskError
        If the file cannot be written.
    """
    if not path.name.endswith(SUFFIXES):
        raise RequestError(f"{path}: what format?", expected=f"a name that ends in {', '.join(SUFFIXES)}")
    pysam = need("pysam", "bio", "writing a VCF")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            writer = VariantWriter(pysam, Path(folder), path)
            try:
                yield writer
            finally:
                writer.close()
            writer.publish()
    except OSError as error:
        raise DiskError(
            f"{path}: could not be written: {error.strerror or error}",
            mend="free some space, or choose a folder you can write to; what was there before is untouched",
        ) from error


class VariantWriter:
    """Writes the lines of a VCF into a temporary folder, and moves the file to its place when it is complete.

    Attributes
    ----------
    sorted : bool
        Whether the rows so far are sorted as an index needs it: contigs together, positions rising.
    """

    def __init__(self, pysam: Any, folder: Path, path: Path) -> None:
        self._pysam, self._path = pysam, path
        self._made, self._text = folder / path.name, folder / "text.gz"
        plain = path.suffix == ".vcf"
        self._stream: Any = self._made.open("wb") if plain else pysam.BGZFile(str(self._text), "wb")
        self._contigs: dict[str, None] = {}
        self._position = self._farthest = 0
        self.sorted = True

    @property
    def indexed(self) -> bool:
        """Whether an index is made: not for plain text, nor where the rows are not sorted."""
        return self.sorted and self._path.suffix != ".vcf"

    def write_header(self, lines: Sequence[str]) -> None:
        """Write the header."""
        for line in lines:
            self._write(line)

    def write(self, row: Row, line: str) -> None:
        """Write a row's line."""
        if row.contig != next(reversed(self._contigs), None):
            self.sorted &= row.contig not in self._contigs
            self._contigs[row.contig] = None
        elif row.position < self._position:
            self.sorted = False
        self._position = row.position
        self._farthest = max(self._farthest, row.position + len(row.reference))
        self._write(line)

    def close(self) -> None:
        """Close the file, complete or not."""
        self._stream.close()

    def publish(self) -> None:
        """Index the file where that is possible, and move both to their place."""
        if self._path.suffix == ".bcf":
            self._pack_bcf()
        elif self._path.suffix != ".vcf":
            self._text.replace(self._made)
        index = self._make_index() if self.indexed else None
        for suffix in (".tbi", ".csi"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)  # an index of other rows is worse than none
        self._made.replace(self._path)
        if index is not None:
            index.replace(f"{self._path}{index.suffix}")

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n".encode("utf-8", "surrogateescape"))

    def _pack_bcf(self) -> None:
        try:
            with (
                quiet_htslib(self._pysam),
                self._pysam.VariantFile(str(self._text)) as source,
                self._pysam.VariantFile(str(self._made), "wb", header=source.header) as sink,
            ):
                for record in source:
                    sink.write(record)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{self._path}: these rows cannot be written as BCF",
                expected="a VCF whose header describes all its contigs, filters and fields",
                mend="write .vcf.gz, which needs none of that",
            ) from error

    def _make_index(self) -> Path:
        bcf = self._path.suffix == ".bcf"
        far = bcf or self._farthest >= _END_OF_TABIX
        with quiet_htslib(self._pysam):
            self._pysam.tabix_index(str(self._made), preset="bcf" if bcf else "vcf", csi=far)
        return Path(f"{self._made}{'.csi' if far else '.tbi'}")


def _fields(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Write our INFO fields; one that would say nothing is left out."""
    values = [_summarise(verdict) for verdict in verdicts]
    for name in SUMMARY:
        if any(value.get(name) for value in values):
            yield f"{name}={','.join(value.get(name) or '.' for value in values)}"
    if any(verdict.skip for verdict in verdicts):
        yield f"{SKIPPED}={','.join(verdict.skip or '.' for verdict in verdicts)}"
    details = [
        "|".join(map(_escape, (str(number), *write_reading(one, separator="/"), *write_effect(one))))
        for number, verdict in enumerate(verdicts, 1)
        for one in verdict.scored
    ]
    if details:
        yield f"{READINGS}={','.join(details)}"


def _summarise(verdict: Verdict) -> dict[str, str]:
    """Give the summary of an ALT: that of its strongest reading."""
    one = verdict.strongest
    if one is None:
        return {}
    loss, loss_at, gain, gain_at, *sites = write_effect(one)[5:]
    lost, gained = (f"{_escape(site)}@{at}" if site else "" for site, at in (sites[:2], sites[2:]))
    delta, strand = write_score(one.effect.delta), one.reading.strand
    return dict(zip(SUMMARY, (delta, loss, loss_at, gain, gain_at, strand, lost, gained), strict=True))


def _info(name: str, number: str, kind: str, description: str) -> str:
    return f'##INFO=<ID={name},Number={number},Type={kind},Description="{_quote(description)}">'


def _quote(text: str) -> str:
    return " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')


def _escape(text: str) -> str:
    """Write what an INFO field may not hold as its code (VCF 4.3, 1.2)."""
    return _SPECIAL.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
