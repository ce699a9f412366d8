"""Whole scans: sites and tracks on transcripts and genomes, read back from the files they were written to."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pybigtools
import pytest
import torch
from torch import Tensor, nn

import genomes
import untrained
from ribocyte.applications.scan import ScanSettings, Summary, scan
from ribocyte.errors import DataError, RequestError
from ribocyte.learn.predictor import Predictor
from ribocyte.rna.accessibility import unpaired
from ribocyte.rna.genome import reverse_complement
from ribocyte.rna.scan.source import Source
from ribocyte.rna.scan.tracks import read_bedgraph

WORD = "UGCAUGUACU"
LENGTH = 20


class Matches(nn.Module):
    """The largest number of letters of a word that match anywhere in the window: (N, 4, L) to (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.finder = genomes.Finder(WORD)

    def forward(self, rna: Tensor) -> Tensor:
        return nn.functional.conv1d(rna, self.finder.word).amax(dim=2)


MODEL = genomes.predictor(Matches(), LENGTH)
QUICK = ScanSettings(stride=3, null=3000, fpr=0.002)


def draw_rna(count: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=count))


def plant(text: str, at: int, word: str = WORD) -> str:
    return text[:at] + word.replace("U", "T") + text[at + len(word) :]


def read_sites(out: Path) -> list[dict[str, Any]]:
    return pl.read_csv(out / "sites.tsv", separator="\t", schema_overrides={"contig": pl.String}).to_dicts()


def read_bed(out: Path) -> list[list[str]]:
    lines = (out / "sites.bed").read_text().splitlines()
    assert lines[0].startswith("#chrom\tchromStart\tchromEnd\tname\tscore\tstrand\t")
    return [line.split("\t") for line in lines[1:]]


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    contigs = {f"tx{number}": plant(draw_rna(1200, number), 100 * number + 150) for number in range(8)}
    return genomes.write_fasta(tmp_path / "rna.fa", contigs)


def test_planted_sites_are_found_where_they_are(tmp_path: Path, transcripts: Path) -> None:
    out = tmp_path / "out"
    summary = scan(MODEL, Source(transcripts), out, QUICK)
    found = read_sites(out)
    for number in range(8):
        at = 100 * number + 150
        (best,) = [row for row in found if row["name"] == f"tx{number}" and row["score"] == 10]
        assert at <= best["summit"] < at + len(WORD)
        assert best["start"] <= at < at + len(WORD) <= best["end"]
        assert best["rna"] == transcripts_text(transcripts, number)[best["summit"] - 7 : best["summit"] + 8]
        assert best["fpr"] <= 0.002
    assert all(row["score"] > summary.threshold for row in found)
    assert summary.sites == len(found) == len(read_bed(out))
    assert len(found) - 8 < 5 + 4 * summary.null_sites_per_kb * 9.6
    assert (summary.targets, summary.nucleotides, summary.unscored) == (8, 9600, 0)


def transcripts_text(path: Path, number: int) -> str:
    record = path.read_text().split(">")[number + 1]
    return "".join(record.splitlines()[1:]).replace("T", "U")


def test_bed_is_ordered_and_within_its_contigs_on_both_strands(tmp_path: Path) -> None:
    contigs = {"b": plant(draw_rna(900, 1), 400), "a": plant(draw_rna(700, 2), 30, reverse_complement(WORD))}
    fasta = genomes.write_fasta(tmp_path / "rna.fa", contigs)
    out = tmp_path / "out"
    summary = scan(
        MODEL, Source(fasta=fasta), out, ScanSettings(stride=3, null=3000, fpr=0.01, both_strands=True)
    )
    rows = read_bed(out)
    order = [(list(contigs).index(row[0]), int(row[1])) for row in rows]
    assert order == sorted(order)
    assert {row[5] for row in rows} == {"+", "-"}
    for row, site in zip(rows, read_sites(out), strict=True):
        start, end, shade, summit = int(row[1]), int(row[2]), int(row[4]), int(row[6])
        assert 0 <= start <= summit < end <= len(contigs[row[0]])
        assert (row[3], int(row[7]), row[9:12]) == (row[0], summit + 1, ["1", str(end - start), "0"])
        assert shade == min(round(-100 * math.log10(site["fpr"])), 1000)
        assert (float(row[12]), float(row[13])) == (site["score"], site["fpr"])
    assert any(row[0] == "a" and row[5] == "-" and 30 <= int(row[6]) < 40 for row in rows)
    assert any(row[0] == "b" and row[5] == "+" and 400 <= int(row[6]) < 410 for row in rows)
    assert summary.nucleotides == 2 * 1600
    for strand in ("plus", "minus"):
        with pybigtools.open(str(out / f"track.{strand}.bw")) as file:
            assert file.chroms() == {"b": 900, "a": 700}
            for name, length in file.chroms().items():
                values = np.full(length, np.nan)
                for contig, start, end, value in read_bedgraph(out / f"track.{strand}.bedgraph"):
                    if contig == name:
                        values[start:end] = value
                np.testing.assert_array_equal(file.values(name, fillna=None), values.astype(np.float32))


def test_a_site_across_a_junction_comes_back_in_blocks(tmp_path: Path) -> None:
    """The word is in the spliced RNA alone, half of it in each exon; once on either strand."""
    half = len(WORD) // 2
    exons = [(200, 400), (700, 900)]
    genome = draw_rna(1200, 5)
    for strand, contig in (("+", "chr1"), ("-", "chr2")):
        word = WORD if strand == "+" else reverse_complement(WORD)
        text = plant(plant(genome, 400 - half, word[:half]), 700, word[half:])
        fasta = genomes.write_fasta(tmp_path / f"{contig}.fa", {contig: text})
        gtf = tmp_path / f"{contig}.gtf"
        lines = [genomes.exon_line(contig[3:], low + 1, high, strand, "tx", "gene") for low, high in exons]
        gtf.write_text("\n".join(lines))
        out = tmp_path / f"out{strand}"
        scan(MODEL, Source(fasta=fasta, gtf=gtf), out, QUICK)
        (site,) = [row for row in read_sites(out) if row["score"] == 10]
        assert (site["name"], site["gene"], site["contig"], site["strand"]) == ("tx", "gene", contig, strand)
        (row,) = [row for row in read_bed(out) if float(row[12]) == 10]
        start, sizes, starts = int(row[1]), *([int(one) for one in row[at].split(",")] for at in (10, 11))
        blocks = [(start + low, start + low + size) for low, size in zip(starts, sizes, strict=True)]
        assert blocks[0][1], blocks[1][0] == (400, 700)
        assert blocks[-1][1] == int(row[2])
        assert sum(sizes) == site["target_end"] - site["target_start"]
        letters = [text[low:high].replace("T", "U") for low, high in blocks]
        spelled = "".join(letters) if strand == "+" else reverse_complement("".join(letters))
        assert WORD in spelled
        assert 400 - half <= site["summit"] < 700 + half
        assert any(low <= site["summit"] < high for low, high in blocks)
        with pybigtools.open(str(out / f"track.{'plus' if strand == '+' else 'minus'}.bw")) as file:
            values = file.values(contig, fillna=None)
        covered = np.zeros(1200, dtype=bool)
        for low, high in exons:
            covered[low:high] = True
        np.testing.assert_array_equal(~np.isnan(values), covered)


def test_bed_regions_are_scanned_as_the_rna_of_their_strand(tmp_path: Path) -> None:
    text = plant(draw_rna(1500, 6), 700, reverse_complement(WORD))
    fasta = genomes.write_fasta(tmp_path / "genome.fa", {"1": text})
    bed = tmp_path / "regions.bed"
    bed.write_text("chr1\t600\t1000\tregion\t0\t-\nchr1\t5\t5\tnone\t0\t+\nchrX\t5\t9\tfar\t0\t+\n")
    out = tmp_path / "out"
    summary = scan(MODEL, Source(fasta=fasta, bed=bed), out, QUICK)
    (site,) = [row for row in read_sites(out) if row["score"] == 10]
    assert (site["name"], site["contig"], site["strand"]) == ("region", "1", "-")
    assert 700 <= site["summit"] < 710
    assert site["target_summit"] == 1000 - 1 - site["summit"]
    assert summary.skipped == {"interval of 0 nt": 1, "contig not in the FASTA": 1}
    assert summary.files == [
        "sites.bed",
        "sites.tsv",
        "summary.json",
        "track.minus.bedgraph",
        "track.minus.bw",
    ]
    # The same region, cut out and scanned as a sequence of its own.
    alone = genomes.write_fasta(
        tmp_path / "alone.fa", {"region": reverse_complement(text[600:1000].replace("T", "U"))}
    )
    scan(MODEL, Source(alone), tmp_path / "alone", QUICK)
    (same,) = [row for row in read_sites(tmp_path / "alone") if row["score"] == 10]
    assert [same[key] for key in ("start", "end", "summit", "windows")] == [
        site[key] for key in ("target_start", "target_end", "target_summit", "windows")
    ]
    assert (tmp_path / "alone" / "track.plus.bedgraph").exists()


def test_runs_of_n_are_gaps_and_counted(tmp_path: Path) -> None:
    fasta = genomes.write_fasta(tmp_path / "rna.fa", {"x": draw_rna(500, 1) + "n" * 200 + draw_rna(500, 2)})
    summary = scan(MODEL, Source(fasta), tmp_path / "out", ScanSettings(stride=1, null=1000, fpr=0.01))
    # A window of 20 nt may hold 5 N: those that begin from 486 to 694 hold more.
    assert summary.unscored == 209
    assert summary.windows == 1181
    (gap,) = gaps(tmp_path / "out" / "track.plus.bedgraph")
    assert gap == (505, 695)


def gaps(path: Path) -> list[tuple[int, int]]:
    ends = [(start, end) for _, start, end, _ in read_bedgraph(path)]
    return [(one[1], other[0]) for one, other in itertools.pairwise(ends) if one[1] < other[0]]


def test_accessibility_is_a_column_and_a_weight(tmp_path: Path, transcripts: Path) -> None:
    out = tmp_path / "out"
    scan(MODEL, Source(transcripts), out, ScanSettings(stride=3, null=3000, fpr=0.002, accessibility=True))
    for row, bed in zip(read_sites(out), read_bed(out), strict=True):
        rna, summit = transcripts_text(transcripts, int(row["name"][2:])), row["summit"]
        expected = unpaired(rna)[summit - 3 : summit + 4].mean()
        assert row["accessibility"] == pytest.approx(expected, abs=1e-4)
        # The toy knows no scale of intensities: its scores are logs themselves.
        assert row["weighted"] == pytest.approx(row["score"] + math.log(expected), abs=1e-2)
        assert [float(one) for one in bed[12:]] == [
            row[k] for k in ("score", "fpr", "accessibility", "weighted")
        ]


def test_the_weight_is_a_factor_of_the_intensity() -> None:
    from ribocyte.rna.scan.rows import weigh

    mean, deviation, score = 1.5, 0.4, 2.0
    intensity = math.exp(score * deviation + mean)
    assert weigh(score, 0.25, deviation) == pytest.approx((math.log(intensity * 0.25) - mean) / deviation)
    assert math.isfinite(weigh(score, 0.0, deviation))


def test_a_summary_a_figure_and_no_tracks(tmp_path: Path, transcripts: Path) -> None:
    told: list[tuple[int, int]] = []
    settings = ScanSettings(stride=3, null=3000, tracks=False, plot="tx2")
    summary = scan(MODEL, Source(transcripts), tmp_path / "out", settings, lambda *now: told.append(now))
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(summary.files)
    assert summary.files == ["sites.bed", "sites.tsv", "summary.json", "track.svg"]
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written == json.loads(json.dumps(summary.as_json()))
    assert (written["simulated"], written["settings"]["output"]) == (True, "SIM")
    assert written["mb_per_second"] == pytest.approx(0.0096 / written["seconds"]["scan"])
    assert told[-1] == (9600, 9600)
    assert "</svg>" in (tmp_path / "out" / "track.svg").read_text()


def test_the_same_seed_gives_the_same_files(tmp_path: Path, transcripts: Path) -> None:
    files = [run_twice(tmp_path / name, transcripts) for name in ("one", "two")]
    assert files[0] == files[1]


def run_twice(out: Path, transcripts: Path) -> dict[str, bytes]:
    scan(MODEL, Source(transcripts), out, QUICK)
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != "summary.json"}


@pytest.mark.parametrize("kind", ["rna-cnn", "rna-bilstm", "rna-residual", "rna-transformer"])
def test_any_network_scans_and_its_track_is_what_it_predicts(tmp_path: Path, kind: str) -> None:
    model = untrained.model(kind)
    rna = draw_rna(200, 3)
    fasta = genomes.write_fasta(tmp_path / "rna.fa", {"x": rna})
    settings = ScanSettings(output=untrained.EXPERIMENTS[1], null=500, fpr=0.1, stride=41)
    scan(model, Source(fasta), tmp_path / "out", settings)
    drawn = np.concatenate(
        [[v] * (e - s) for _, s, e, v in read_bedgraph(tmp_path / "out" / "track.plus.bedgraph")]
    )
    windows = [rna[at : at + 41] for at in range(0, 200, 41)]  # at this stride none overlaps
    expected = np.concatenate(
        [[model.predict([one])[untrained.EXPERIMENTS[1]][0]] * len(one) for one in windows]
    )
    np.testing.assert_allclose(drawn, expected, atol=1e-4)


# What is refused, and what then is left


def refused(tmp_path: Path, source: Source, settings: ScanSettings = QUICK, model: Predictor = MODEL) -> str:
    with pytest.raises((RequestError, DataError)) as caught:
        scan(model, source, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".*"))
    return str(caught.value)


def test_wrong_requests_leave_nothing_behind(tmp_path: Path, transcripts: Path) -> None:
    source = Source(transcripts)
    assert "reads images of cells" in refused(tmp_path, source, model=untrained.model("cell-cnn"))
    assert "none is named" in refused(tmp_path, source, model=untrained.model("rna-cnn"))
    assert "'SMI': not of this model" in refused(tmp_path, source, ScanSettings(output="SMI"))
    assert "stride = 21" in refused(tmp_path, source, ScanSettings(stride=21))
    assert "did you mean tx1?" in refused(tmp_path, source, ScanSettings(plot="tx_1"))
    assert "cannot tell a rate so small" in refused(tmp_path, source, ScanSettings(null=50, fpr=1e-5))
    assert "cannot be read" in refused(tmp_path, Source(fasta=tmp_path / "none.fa"))
    unknown = genomes.write_fasta(tmp_path / "n.fa", {"x": "N" * 60})
    assert "N everywhere" in refused(tmp_path, Source(unknown))
    for wrong in ({"fpr": 0.0}, {"fpr": 0.6}, {"null": 0}, {"max_unknown": 1.0}, {"stride": -1}):
        with pytest.raises(RequestError, match=next(iter(wrong))):
            ScanSettings(**wrong)


def test_a_folder_that_holds_something_is_never_written_to(tmp_path: Path, transcripts: Path) -> None:
    (tmp_path / "out").mkdir()
    summary = scan(MODEL, Source(transcripts), tmp_path / "out", QUICK)
    assert isinstance(summary, Summary)
    with pytest.raises(RequestError, match="not an empty folder"):
        scan(MODEL, Source(transcripts), tmp_path / "out", QUICK)


def test_the_network_is_left_as_it_was(tmp_path: Path, transcripts: Path) -> None:
    model = untrained.model("rna-cnn")
    model.network.train()
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    settings = ScanSettings(output=untrained.EXPERIMENTS[0], null=500, fpr=0.01)
    scan(model, Source(transcripts), tmp_path / "out", settings)
    assert model.network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())
