"""Trust in predictions for proteins nobody measured: coverage, monotony, warnings, and that it travels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from ribocyte.errors import RequestError
from ribocyte.learn import conformal
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor
from ribocyte.learn.splits import Info, Split
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.joint.margins import Evidence, Margins, cross_fit, rank_correlations
from ribocyte.rna.joint.subjects import NO_DOMAIN, Subject, find_kin, look_into
from ribocyte.rna.joint.trust import UnseenTrust, unseen_trust
from ribocyte.rna.proteins.records import describe_protein
from ribocyte.rna.proteins.sequences import Domain, Protein
from ribocyte.rna.trust import RNATrust


def evidence(clusters: int = 60, probes: int = 80, seed: int = 0) -> Evidence:
    """Draw errors that grow with distance and spread, differ between clusters, and are shared by two relatives."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(clusters), 2)
    identity = np.repeat(random.uniform(0.15, 0.5, clusters), 2)
    spread = random.gamma(2.0, 0.1, (probes, 2 * clusters))
    outputs = random.normal(0, 0.5, (probes, 2 * clusters))
    strange = np.repeat(random.lognormal(0, 0.25, clusters), 2)
    size = (0.3 + 0.8 * (1 - identity) + spread + 0.3 * np.abs(outputs)) * strange
    targets = outputs + size * random.standard_normal(outputs.shape)
    targets[random.random(outputs.shape) < 0.02] = np.nan
    tables = (torch.from_numpy(table).float() for table in (outputs, targets, spread))
    return Evidence(*tables, identity=identity, clusters=labels)


NOTHING = np.zeros(0)
SEQUENCES = ("MKVLAAGRRTWCDEFKLHPQ" * 4, "WWCCHHPPGGAATTLLIIVV" * 4, "MSDEKRNQSTYFWLIVMACG" * 4)


def known() -> list[Protein]:
    return [
        Protein(f"RNCMPT{number:05d}", sequence, gene=f"GENE{number}", domains=(Domain("RRM", 4, 64),))
        for number, sequence in enumerate(SEQUENCES, 1)
    ]


class Flat(nn.Module):
    """Says of each RNA, for each protein, how many A it has, and something of its own."""

    def __init__(self, proteins: int, tilt: float) -> None:
        super().__init__()
        self.tilt = nn.Parameter(torch.linspace(0.1, 0.3, proteins) + tilt)

    def forward(self, rna: Tensor) -> Tensor:
        return rna[:, :1].sum(dim=(1, 2))[:, None] * self.tilt


def model(proteins: list[Protein], network: nn.Module | None = None) -> Predictor:
    names = tuple(protein.name for protein in proteins)
    records = [describe_protein(protein) for protein in proteins]
    info = Info("compendium", "toy", "", "strict", names, {"length": 41, "proteins": records}, True)
    network = network or Ensemble([Flat(len(proteins), tilt) for tilt in (0.0, 0.1)])
    return Predictor(network, RNAEncoding.from_info(info), {"data": info.as_json()})


def test_new_clusters_are_covered_as_often_as_is_said() -> None:
    folds = np.repeat(np.arange(60) % 5, 2)
    shares = [cross_fit(evidence(seed=seed), folds, 0.9).mean() for seed in range(4)]
    assert 0.88 < float(torch.stack(shares).mean()) < 0.93
    assert float(cross_fit(evidence(), folds, 0.6).mean()) == pytest.approx(0.62, abs=0.05)


def test_each_cluster_counts_the_same_however_many_probes_it_has() -> None:
    table = evidence(clusters=40)
    one = Margins.fit(table, NOTHING, NOTHING)
    repeated = np.concatenate([np.arange(80), *[[0, 1]] * 20])  # the first cluster, twenty times more
    other = Margins.fit(table.of(repeated), NOTHING, NOTHING)
    assert one.clusters == other.clusters == 40
    np.testing.assert_allclose(other.quantiles[400], one.quantiles[400], rtol=0.15)


def test_an_interval_is_never_narrower_for_a_stranger_or_for_members_that_differ() -> None:
    margins = Margins.fit(evidence(), NOTHING, NOTHING)
    assert bool((margins.weights >= 0).all())
    said = torch.zeros(1, 5)
    identity = np.linspace(0.9, 0.1, 5)
    half = margins.half_widths(said, torch.full((1, 5), 0.2), identity, 0.9)[0]
    assert bool((half.diff() >= 0).all())
    assert half[-1] > half[0]
    spreads = torch.linspace(0, 1, 5)[None]
    half = margins.half_widths(said, spreads, np.full(5, 0.4), 0.9)[0]
    assert bool((half.diff() > 0).all())


def test_too_few_clusters_for_a_level_give_no_end() -> None:
    table = evidence(clusters=4)
    margins = Margins.fit(table, NOTHING, NOTHING)
    assert torch.isinf(margins.quantiles[-1])
    assert torch.isfinite(margins.quantiles[0])
    with pytest.raises(RequestError, match="1 clusters"):
        Margins.fit(table.of(table.clusters == 0), NOTHING, NOTHING)


def test_reliability_rises_with_identity_and_stays_within_what_was_seen() -> None:
    random = np.random.default_rng(0)
    identity = random.uniform(0.2, 1.0, 200)
    reached = np.clip(identity * 0.7 + random.normal(0, 0.1, 200), -1, 1)
    reached[3] = np.nan
    margins = Margins.fit(evidence(), identity, reached)
    found = [margins.reliability(at) for at in (0.0, 0.3, 0.6, 0.9, 1.0)]
    assert found == sorted(found)
    assert found[2] == pytest.approx(0.42, abs=0.06)
    assert np.isnan(Margins.fit(evidence(), NOTHING, NOTHING).reliability(0.5))


def test_reliability_is_that_of_groups_and_never_below_zero() -> None:
    identity = np.linspace(0.2, 1.0, 100)
    reached = np.linspace(-0.2, 0.6, 100)
    reached[0], reached[-1] = -0.9, 0.99  # two of a hundred decide no end of the curve
    margins = Margins.fit(evidence(), identity, reached)
    assert len(margins.identities) == 5
    assert margins.reliability(0.2) == 0.0
    assert margins.reliability(1.0) == pytest.approx(reached[80:].mean())
    old = Margins(margins.weights, margins.quantiles, torch.tensor([0.2, 0.9]), torch.tensor([-0.1, 0.5]), 60)
    assert old.reliability(0.1) == 0.0


def test_beyond_the_evidence_an_interval_is_no_narrower_than_at_its_end() -> None:
    table = evidence()
    margins = Margins.fit(table, NOTHING, NOTHING)
    assert margins.reach == table.identity.max() < 0.5
    at = np.array([0.3, margins.reach, 0.7, 1.0])
    half = margins.half_widths(torch.zeros(1, 4), torch.full((1, 4), 0.2), at, 0.9)[0].tolist()
    assert half[0] > half[1] == half[2] == half[3]


def test_a_protein_is_looked_into() -> None:
    ours = known()
    domain = ours[0].sequence[4:64]
    same = Protein("again", ours[1].sequence)
    relative = Protein("relative", "GGG" + domain + "GGG")
    strange = Protein("strange", "".join(np.random.default_rng(1).choice(list("ACDEFGHIKLMNPQRSTVWY"), 90)))
    found = {subject.name: subject for subject in look_into([same, relative, strange], ours)}
    assert (found["again"].identity, found["again"].known, found["again"].nearest) == (1.0, 1, "GENE2")
    assert found["relative"].known == -1  # networks infer what it binds: its sequence is another
    assert found["relative"].identity > 0.9
    assert found["relative"].warning == ""
    assert found["strange"].warning == NO_DOMAIN
    assert found["strange"].identity < 0.5


def test_half_a_domain_two_proteins_in_one_and_a_residue_are_less_alike_than_identity_says() -> None:
    first, second, _ = known()
    domain = first.sequence[4:64]
    asked = {
        "whole": "GGG" + domain + "GGGGGGGGG",
        "half": domain[:30],
        "both": first.sequence + second.sequence,
        "residue": "M",
    }
    given = [
        Protein("whole", asked["whole"], domains=(Domain("RRM", 3, 63),)),
        Protein("half", asked["half"], domains=(Domain("RRM", 0, 30),)),
        Protein("both", asked["both"], domains=(Domain("RRM", 4, 64), Domain("RRM", 84, 144))),
        Protein("residue", "M"),
    ]
    whole, half, both, residue = look_into(given, known())
    assert [one.identity for one in (whole, half, both)] == [1.0, 1.0, 1.0]
    assert [one.likeness for one in (whole, half, both)] == pytest.approx([1.0, 0.5, 0.5])
    assert (whole.warning, half.coverage) == ("", 0.5)
    assert half.warning.startswith(
        "a part of a protein? its binding region has 50% of the length of that of GENE1"
    )
    assert both.warning.startswith("its binding region is 2.0 times as long as that of GENE")
    assert (residue.identity, residue.recognised) == (1.0, False)
    assert residue.warning == f"too short to hold a binding domain: 1 residue; {NO_DOMAIN}"
    curve = np.linspace(0, 1, 200)
    trust = unseen_trust(model(known()), Margins.fit(evidence(), curve, curve * 0.7))
    trust = trust.aimed(model(given), given)
    reliable = trust.reliabilities()
    assert reliable[0] > reliable[1] == reliable[2]
    assert reliable[1] == pytest.approx(0.35, abs=0.01)
    assert np.isnan(reliable[3])
    wide = trust.margins.half_widths(torch.zeros(1, 4), torch.zeros(1, 4), trust.likenesses, 0.9)[0]
    assert wide[3] == wide.max() > wide[1]


def test_the_same_sequence_goes_before_the_same_region() -> None:
    first, *others = known()
    shorter = Protein("shorter", first.sequence[:70], gene="SHORT", domains=first.domains)
    ours = [shorter, first, *others]
    asked = [
        Protein("a", first.sequence),
        Protein("b", shorter.sequence),
        Protein("c", "GG" + first.sequence),
    ]
    asked[2] = replace(asked[2], domains=(Domain("RRM", 6, 66),))
    kin = find_kin(asked, ours)
    assert [one.same for one in kin] == [1, 0, 0]
    assert kin[0].protein.domains == first.domains  # as annotated, and not as recognised
    assert [subject.known for subject in look_into(asked, ours)] == [1, 0, -1]
    assert [one.nearest for one in look_into(asked, ours)] == ["GENE1", "SHORT", "SHORT"]


def test_models_from_before_coverage_was_looked_at_are_read() -> None:
    subject = Subject.from_facts(["p", 0.4, "GENE1", -1, False])
    assert (subject.likeness, subject.coverage, subject.warning) == (0.4, 1.0, NO_DOMAIN)
    assert Subject.from_facts(subject.facts()) == subject
    trust = unseen_trust(model(known()), Margins.fit(evidence(), NOTHING, NOTHING))
    facts = trust.facts()
    assert UnseenTrust.from_state(trust.state(), facts).margins.reach == trust.margins.reach
    del facts["reach"]
    assert UnseenTrust.from_state(trust.state(), facts).margins.reach == 0.5


def test_what_it_says_of_unseen_proteins_stands_beside_the_prediction() -> None:
    margins = Margins.fit(evidence(), np.array([0.2, 1.0]), np.array([0.1, 0.8]))
    trained = model(known())
    trust = unseen_trust(trained, margins)
    strange = Protein("strange", "".join(np.random.default_rng(1).choice(list("ACDEFGHIKLMNPQRSTVWY"), 90)))
    other = model([strange, known()[0]])
    other.trust = trust.aimed(other, [strange, known()[0]])
    rna = ["ACGUAAAUUUGGGCCCAUAUAUAGAGAGA", "A" * 90]
    table = other.predict(rna)
    assert (table["strange_low"] < table["strange"]).all()
    assert (table["strange"] < table["strange_high"]).all()
    assert table["strange_warning"].to_list() == [NO_DOMAIN] * 2
    assert table["strange_reliability"].is_nan().all()
    spread = trained.member_outputs(other.encoding.encode(rna[:1])[0]).std(dim=0)
    assert table["strange_spread"][0] == pytest.approx(float(spread[0, 0]), rel=0.6)
    name = known()[0].name
    assert f"{name}_low" in table.columns
    assert f"{name}_reliability" not in table.columns  # it was measured; how well it does, nobody looked


def test_of_a_known_protein_it_says_how_well_its_own_output_did() -> None:
    trained = model(known())
    tokens = trained.encoding.encode(["ACGUAAAUUUGGGCCCAUAUAUAGAGAGA", "AAAA" * 9, "ACAC" * 8, "GGGA" * 8])[0]
    outputs = trained.outputs(tokens)
    targets = torch.stack([outputs[:, 0], -outputs[:, 1], outputs[:, 2].clone()], dim=1)
    targets[1, 2] = torch.nan
    validation = Split(tokens, targets, np.array(list("abcd")))
    trust = unseen_trust(trained, Margins.fit(evidence(), NOTHING, NOTHING), validation=validation)
    again = UnseenTrust.from_state(trust.state(), trust.facts())
    aimed = [known()[1], known()[0]]
    assert again.reliabilities() == pytest.approx([1, -1, 1])
    assert again.aimed(model(aimed), aimed).reliabilities() == pytest.approx([-1, 1])


def test_known_proteins_keep_their_own_intervals() -> None:
    trained = model(known())
    tokens = trained.encoding.encode(["ACGUAAAUUUGGGCCCAUAUAUAGAGAGA", "AAAA" * 9, "ACAC" * 8, "GGGA" * 8])[0]
    targets = trained.outputs(tokens) + torch.tensor([0.1, -0.2, 0.3])
    split = Split(tokens, targets, np.array(["a", "b", "c", "d"]))
    trained.trust = RNATrust.calibrate(trained, split).at(0.5)
    own = trained.predict(["ACGUAAAUUUGGGCCCAUAUAUAGAGAGA"])
    margins = Margins.fit(evidence(), NOTHING, NOTHING)
    trained.trust = unseen_trust(trained, margins, level=0.5)
    again = trained.predict(["ACGUAAAUUUGGGCCCAUAUAUAGAGAGA"])
    name = known()[2].name
    assert again[f"{name}_low"][0] == pytest.approx(own[f"{name}_low"][0])


def test_it_is_kept_and_taken_up_again() -> None:
    margins = Margins.fit(evidence(), np.array([0.2, 1.0]), np.array([0.1, 0.8]))
    trained = model(known())
    trust = unseen_trust(trained, margins, level=0.8)
    again = UnseenTrust.from_state(trust.state(), trust.facts())
    assert again.level == 0.8
    assert again.subjects == trust.subjects
    assert again.known == trust.known
    compact, owner = trained.encoding.encode(["ACGU" * 9])
    outputs = trained.outputs(compact)
    assert trust.judge(trained, compact, outputs, owner).equals(again.judge(trained, compact, outputs, owner))
    with pytest.raises(RequestError):
        again.at(0.999)


def test_it_measures_its_coverage_and_can_be_calibrated_anew() -> None:
    proteins = known()
    trained = model(proteins)
    strangers = [Protein(f"new{n}", protein.sequence[10:70]) for n, protein in enumerate(proteins)]
    other = model(strangers)
    margins = Margins.fit(evidence(), NOTHING, NOTHING)
    other.trust = unseen_trust(trained, margins).aimed(other, strangers)
    random = np.random.default_rng(0)
    rna = ["".join(random.choice(list("ACGU"), 35)) for _ in range(300)]
    tokens = other.encoding.encode(rna)[0]
    noise = torch.from_numpy(random.standard_normal((300, 3))).float()
    split = Split(tokens, other.outputs(tokens) + 3 * noise, np.array(rna))
    before = other.trust.measure(other, split)
    assert before["coverage"] < 0.9
    other.trust = UnseenTrust.calibrate(other, split).at(0.6)
    after = other.trust.measure(other, split)
    assert after["coverage"] > 0.58
    assert after["unbounded"] == 0
    trained.trust = None
    with pytest.raises(RequestError, match="held-out clusters"):
        UnseenTrust.calibrate(trained, split)


def test_the_table_of_no_rna_has_the_same_columns() -> None:
    margins = Margins.fit(evidence(), NOTHING, NOTHING)
    trained = model(known())
    trained.trust = unseen_trust(trained, margins)
    nothing, some = trained.predict([]), trained.predict(["ACGU" * 9])
    assert isinstance(nothing, pl.DataFrame)
    assert nothing.columns == some.columns


def test_rank_correlations_leave_out_what_was_not_measured() -> None:
    outputs = torch.tensor([[1.0], [2.0], [3.0], [0.0]])
    targets = torch.tensor([[1.0], [2.0], [3.0], [torch.nan]])
    assert rank_correlations(outputs, targets) == pytest.approx([1.0])
    assert len(conformal.LEVELS) == 491
