"""A genome in a FASTA file of any size: letters of RNA by contig, position and strand. Never loaded whole."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self

from ribocyte.errors import DataError, nearest
from ribocyte.extras import need
from ribocyte.files import is_bgzipped, open_unpacked

_RNA = str.maketrans("acgtuT", "ACGUUU")
_COMPLEMENT = str.maketrans("ACGU", "UGCA")
_STRANGE = re.compile("[^ACGU]")
_CHROMOSOME = re.compile("^chr(?=.)", re.IGNORECASE)


class Genome:
    """A genome in a FASTA file, plain or bgzipped; a context manager that closes the file.

    Letters are found through an index (``.fai``, and ``.gzi`` where bgzipped), as samtools makes it. One that is
    missing or older than the file is made: beside the file where that can be written, else in a temporary folder.

    Parameters
    ----------
    path : Path or str
        The FASTA file.

    Raises
    ------
    DataError
        If the file is missing, no FASTA, gzipped rather than bgzipped, cut short, or has lines of uneven length.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._pysam = need("pysam", "bio", "reading a genome")
        self._packed = _check_beginning(self.path)
        self._scratch = contextlib.ExitStack()
        try:
            self._file = self._open()
        except BaseException:
            self._scratch.close()
            raise
        self.contigs: dict[str, int] = dict(zip(self._file.references, self._file.lengths, strict=True))
        """Length in nt of every contig, in the order of the file; contigs without letters are left out."""
        self._alike = _group_alike(self.contigs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, and remove an index that was made in a temporary folder."""
        self._file.close()
        self._scratch.close()

    def find(self, contig: str) -> str | None:
        """Find what a contig is called here.

        Names that differ only by ``chr`` in front are the same (``chr1`` and ``1``), and so are ``M`` and ``MT``;
        upper and lower case too. None where there is no such contig, or where several would fit.
        """
        if contig in self.contigs:
            return contig
        alike = self._alike.get(_plain_name(contig), [])
        return alike[0] if len(alike) == 1 else None

    def fetch(self, contig: str, start: int, end: int, strand: str = "+") -> str:
        """Give the letters of a stretch as RNA.

        Parameters
        ----------
        contig : str
            As the file calls it; see `find`.
        start, end : int
            0-based, half-open, on the forward strand whatever `strand` is.
        strand : str
            ``+``, or ``-`` for the reverse complement.

        Returns
        -------
        str
            `end` − `start` capitals A, C, G, U; N for any other letter of the file.

        Raises
        ------
        DataError
            If there is no such contig, the stretch is not within it, or the file is damaged there.
        """
        if contig not in self.contigs:
            near = nearest(contig, self.contigs, 1)
            raise DataError(
                f"{self.path}: no contig {contig!r}",
                expected=f"one of {len(self.contigs)} contigs such as {(near or list(self.contigs))[0]}",
            )
        if not 0 <= start <= end <= self.contigs[contig]:
            raise DataError(
                f"{self.path}: {contig}:{start}-{end} is not within the contig",
                expected=f"0 ≤ start ≤ end ≤ {self.contigs[contig]}",
            )
        letters = _STRANGE.sub("N", self._read(contig, start, end).translate(_RNA))
        return letters if strand == "+" else reverse_complement(letters)

    def _read(self, contig: str, start: int, end: int) -> str:
        with quiet_htslib(self._pysam):
            try:
                letters: str = self._file.fetch(contig, start, end)
            except (OSError, ValueError) as error:
                raise self._damaged(f"{contig}:{start + 1}-{end}: {error}") from error
        if len(letters) != end - start:
            raise self._damaged(f"{contig}:{start + 1}-{end}: {len(letters)} letters are left")
        return letters

    def _damaged(self, reason: str) -> DataError:
        return DataError(
            f"{self.path}: damaged, or not what its index says: {reason}",
            expected="a whole FASTA file",
            mend=f"copy it again, and remove {self.path}.fai",
        )

    def _open(self) -> Any:
        index, blocks = (Path(f"{self.path}{suffix}") for suffix in (".fai", ".gzi"))
        wanted = [index, blocks] if self._packed else [index]
        written = self.path.stat().st_mtime
        if not all(one.is_file() and one.stat().st_mtime >= written for one in wanted):
            index, blocks = self._make_index(index, blocks)
        with quiet_htslib(self._pysam):
            try:
                return self._pysam.FastaFile(
                    str(self.path),
                    filepath_index=str(index),
                    filepath_index_compressed=str(blocks) if self._packed else None,
                )
            except (OSError, ValueError) as error:
                raise self._damaged(str(error)) from error

    def _make_index(self, index: Path, blocks: Path) -> tuple[Path, Path]:
        """Make the index beside the file, whole or not at all; where nothing can be written there, elsewhere."""
        try:
            with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.") as folder:
                for made, place in zip(self._index_into(Path(folder)), (index, blocks), strict=True):
                    if made.exists():
                        made.replace(place)
        except OSError:
            folder = self._scratch.enter_context(tempfile.TemporaryDirectory(prefix="ribocyte-"))
            return self._index_into(Path(folder))
        return index, blocks

    def _index_into(self, folder: Path) -> tuple[Path, Path]:
        index, blocks = folder / "fai", folder / "gzi"
        with quiet_htslib(self._pysam):
            try:
                self._pysam.faidx(str(self.path), "--fai-idx", str(index), "--gzi-idx", str(blocks))
            except self._pysam.SamtoolsError as error:
                raise DataError(
                    f"{self.path}: cannot be indexed: cut short, no letters, or lines of uneven length in a record",
                    expected="a whole FASTA file, all lines of a record but the last equally long",
                    mend=f"samtools faidx {self.path} says where",
                ) from error
        return index, blocks


def reverse_complement(rna: str) -> str:
    """Give the other strand of RNA letters A, C, G, U, N, 5′ to 3′."""
    return rna.translate(_COMPLEMENT)[::-1]


def _check_beginning(path: Path) -> bool:
    """Refuse what is no FASTA by its first bytes; say whether it is bgzipped."""
    packed = is_bgzipped(path)
    with open_unpacked(path) as stream:
        beginning = stream.read(1)
    if not packed and _is_gzipped(path):
        raise DataError(
            f"{path}: gzipped, where letters cannot be found without reading it all",
            expected="plain FASTA, or FASTA packed by bgzip",
            mend=f"gunzip {path}, or pack it again with bgzip",
        )
    if beginning != b">":
        what = "no FASTA" if beginning else "no sequence in it" if packed else "empty"
        raise DataError(f"{path}: {what}", expected="a genome as FASTA, which begins with '>'")
    return packed


def _is_gzipped(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def _group_alike(contigs: dict[str, int]) -> dict[str, list[str]]:
    alike: dict[str, list[str]] = {}
    for contig in contigs:
        alike.setdefault(_plain_name(contig), []).append(contig)
    return alike


def _plain_name(contig: str) -> str:
    bare = _CHROMOSOME.sub("", contig).lower()
    return "mt" if bare == "m" else bare


@contextlib.contextmanager
def quiet_htslib(pysam: ModuleType) -> Iterator[None]:
    """Keep htslib from writing to stderr: what is wrong is said by an error of ours."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)
