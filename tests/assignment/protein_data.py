"""A data folder from which a compendium can be simulated: made-up proteins with real rules, few enough for seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ribocyte.rna import assay
from ribocyte.rna.motifs import Motif
from ribocyte.transfer.study import Size

RESIDUES = list("ACDEFGHIKLMNPQRSTVWY")
CONSENSUS = ("UGCAUG", "UUUUU", "ACUAAY", "GGAGGA", "AAUAAU", "CCACC", "GUGUGU", "CAUCAU", "AGAAGA", "GCGCGC")
RELATIVES = 2
TINY = Size(
    probes=240,
    test=120,
    epochs=2,
    detectors=4,
    hidden=8,
    members=1,
    folds=3,
    singles=2,
    single_epochs=2,
    newcomers=1,
    shots=(8,),
    alone=(8,),
)


def write_sources(folder: Path) -> Path:
    """Write the array's design, motifs and constructs of twenty experiments into a data folder."""
    random, rows, motifs = np.random.default_rng(0), [], []
    for family, consensus in enumerate(CONSENSUS):
        domain = random.choice(RESIDUES, 60)
        for relative in range(RELATIVES):
            mutated = np.where(random.random(60) < 0.12 * relative, random.choice(RESIDUES, 60), domain)
            name = f"RNCMPT{len(rows) + 1:05d}"
            kind = "RRM_1" if family % 2 else "KH_1"
            rows.append((name, f"GENE{len(rows) + 1}", "Homo sapiens", "MG" + "".join(mutated), kind, "2;62"))
            motifs.append(_write_motif(name, consensus))
    columns = ["rnacompete_id", "gene_name", "tax_name", "construct_aa_seq", "construct_domains"]
    columns.append("construct_domain_boundaries")
    place = folder / "rnacompete"
    place.mkdir(parents=True)
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(place / "constructs.tsv", separator="\t")
    (place / "pwms.hmot").write_text("\n".join(motifs))
    sets, rna = assay.design_probes(assay.AssayConfig(k=4, copies=60))
    names = [f"RNA_{number:06d}" for number in range(len(rna))]
    probes = pl.DataFrame({"Probe_Set": sets, "Probe_ID": names, "RNA_Seq": rna})
    probes.write_csv(place / "array_design.tsv", separator="\t")
    return folder


def _write_motif(name: str, consensus: str) -> str:
    shares = np.exp(Motif.from_consensus(consensus, name=name).energies * -1.0)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = [f"{at}\t" + "\t".join(f"{share:.6f}" for share in row) for at, row in enumerate(shares, 1)]
    return "\n".join([f"Motif\t{name}", "# made up", "Pos\tA\tC\tG\tU", *rows, ""])
