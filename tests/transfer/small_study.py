"""A compendium of made-up proteins in families of relatives, small enough to study in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from ribocyte.rna import assay
from ribocyte.rna.compendium import SimulationConfig, simulate
from ribocyte.rna.kmers import name_kmer
from ribocyte.rna.motifs import Motif
from ribocyte.rna.table import check_probes
from ribocyte.transfer.study import Size

RESIDUES = list("ACDEFGHIKLMNPQRSTVWY")
CONSENSUS = ("UGCAUG", "UUUUU", "ACUAAY", "GGAGGA", "AAUAAU", "CCACC")
RELATIVES = 2
TINY = Size(
    probes=240,
    test=160,
    epochs=2,
    batch=64,
    detectors=4,
    hidden=8,
    members=2,
    folds=3,
    singles=2,
    single_epochs=2,
    newcomers=2,
    shots=(8, 32),
    alone=(32,),
    families=4,
)


def write_data(folder: Path) -> Path:
    """Write a data folder: a simulated compendium of twelve experiments, its proteins, and 7-mers of the first."""
    random = np.random.default_rng(0)
    motifs, rows = [], []
    for family, consensus in enumerate(CONSENSUS):
        domain = random.choice(RESIDUES, 70)
        for relative in range(RELATIVES):
            mutated = np.where(random.random(70) < 0.12 * relative, random.choice(RESIDUES, 70), domain)
            number = len(rows) + 1
            name = f"RNCMPT{number:05d}"
            motifs.append(Motif.from_consensus(consensus, name=name))
            sequence = "MGSS" + "".join(mutated) + "GG"
            kind = "RRM_1" if family % 2 else "KH_1"
            rows.append((name, f"GENE{number}", "Homo sapiens", sequence, kind, "4;74"))
    columns = (
        "rnacompete_id",
        "gene_name",
        "tax_name",
        "construct_aa_seq",
        "construct_domains",
        "construct_domain_boundaries",
    )
    place = folder / "rnacompete"
    place.mkdir(parents=True)
    pl.DataFrame(rows, schema=list(columns), orient="row").write_csv(place / "constructs.tsv", separator="\t")
    sets, rna = assay.design_probes(assay.AssayConfig(k=4, copies=60))
    probes = {
        "Probe_Set": sets,
        "Probe_ID": [f"RNA_{number:06d}" for number in range(len(rna))],
        "RNA_Seq": rna,
    }
    design = check_probes(Path("design"), pl.DataFrame(probes))
    simulate(place / "compendium", design, motifs, SimulationConfig(seed=1))
    kmers = [name_kmer(number, 7) for number in range(4**7)]
    scores = {"kmer": kmers, rows[0][0]: [float("UGCAUG" in kmer) for kmer in kmers]}
    pl.DataFrame(scores).write_csv(place / "zscores_7mer.tsv", separator="\t")
    return folder
