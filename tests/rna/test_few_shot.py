"""A protein with few measurements: the head by brute force, and what it should do at the extremes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor

from ribocyte.errors import DataError
from ribocyte.rna.joint.few_shot import PENALTIES, POWER, fit_head


def draw(rows: int, features: int = 6, noise: float = 0.3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Draw known outputs, a prior that knows half of the truth, and measurements."""
    generator = torch.Generator().manual_seed(seed)
    known = torch.randn(rows, features, generator=generator) + 1.5
    weights = torch.tensor([1.0, -0.5, 0.25, 0.0, 0.0, 0.3])[:features]
    truth = known @ weights
    own = 0.5 * truth + 0.7 * torch.randn(rows, generator=generator)
    return known, own, truth + noise * torch.randn(rows, generator=generator) + 0.4


def test_the_leave_one_out_error_is_that_of_leaving_each_row_out() -> None:
    known, own, measured = draw(25)
    head = fit_head(known, own, measured)
    spread = 2 * float(measured.std(correction=0))
    fitted = measured.clamp(float(measured.mean()) - spread, float(measured.mean()) + spread)
    # Before the ridge sees them, known proteins are weighed by their correlation with what was measured.
    relevance = [abs(np.corrcoef(column, fitted)[0, 1]) ** POWER for column in known.T.double().numpy()]
    known = known.double() * torch.tensor(relevance)
    unit = float((known - known.mean(0)).square().sum()) / 1e4

    def brute_force(share: float, penalty: float) -> float:
        errors = []
        for row in range(len(known)):
            kept = [other for other in range(len(known)) if other != row]
            ridge = Ridge(alpha=penalty * unit).fit(known[kept].numpy(), (fitted - share * own)[kept].numpy())
            said = ridge.predict(known[row : row + 1].numpy())[0] + share * float(own[row])
            errors.append((said - float(fitted[row])) ** 2)
        return float(np.mean(errors))

    assert head.error**2 == pytest.approx(brute_force(head.prior, head.penalty), rel=1e-3)
    for share in (0.0, head.prior / 2, 1.0):
        for penalty in PENALTIES[::8]:
            assert brute_force(share, penalty) >= head.error**2 * (1 - 1e-4)


def test_a_prior_that_is_right_is_believed_and_one_that_is_noise_is_not() -> None:
    known, _, measured = draw(40, noise=0.05)
    random = torch.Generator().manual_seed(1)
    noise, strangers = torch.randn(40, generator=random), torch.randn(known.shape, generator=random)
    assert fit_head(strangers, measured - 0.7, measured).prior > 0.9
    assert fit_head(known, noise, measured).prior < 0.2


def test_many_measurements_give_least_squares_and_few_stay_near_the_prior() -> None:
    known, own, measured = draw(4000, noise=0.01)
    head = fit_head(known, own, measured)
    new_known, new_own, new_measured = draw(200, noise=0.0, seed=5)
    said = head.apply(new_known, new_own)
    assert float(torch.corrcoef(torch.stack([said, new_measured]))[0, 1]) > 0.999
    strangers = torch.randn(4, 300, generator=torch.Generator().manual_seed(4))
    few = fit_head(strangers, torch.arange(4.0), torch.arange(4.0) + torch.tensor([0.1, -0.1, 0.1, -0.1]))
    assert few.prior > 0.5
    assert float(few.weights.norm()) < 0.1  # of noise in the measurements, whose spread is 1.1


def test_spots_that_failed_are_left_out_and_too_few_are_refused() -> None:
    known, own, measured = draw(20)
    measured[3] = torch.nan
    kept = [row for row in range(20) if row != 3]
    one, other = fit_head(known, own, measured), fit_head(known[kept], own[kept], measured[kept])
    assert one.measurements == 19
    torch.testing.assert_close(one.weights, other.weights)
    with pytest.raises(DataError, match="3 measured probes"):
        fit_head(known[:3], own[:3], measured[4:7])


def test_an_outlier_moves_little() -> None:
    known, own, measured = draw(200)
    one = fit_head(known, own, measured)
    measured[7] += 500.0
    other = fit_head(known, own, measured)
    weights = torch.linalg.lstsq(known - known.mean(0), (measured - measured.mean())[:, None]).solution[:, 0]
    assert (other.weights - one.weights).norm() < 0.25 * (weights - one.weights).norm()


def test_of_many_known_proteins_those_that_bind_alike_speak() -> None:
    random = torch.Generator().manual_seed(3)
    known = torch.randn(40 + 500, 300, generator=random)
    truth = known[:, 7] + 0.5 * known[:, 123]
    measured = truth[:40] + 0.3 * torch.randn(40, generator=random)
    head = fit_head(known[:40], torch.zeros(40), measured)
    ridge = Ridge(alpha=1.0).fit(known[:40].numpy(), measured.numpy()).predict(known[40:].numpy())
    found = np.corrcoef([head.apply(known[40:], torch.zeros(500)).numpy(), ridge, truth[40:].numpy()])[2]
    assert found[0] > found[1] + 0.2
    assert set(head.weights.abs().topk(2).indices.tolist()) == {7, 123}


def test_a_known_protein_that_says_the_same_of_every_probe_has_no_weight() -> None:
    known, own, measured = draw(30)
    known[:, 2] = 1.0
    assert fit_head(known, own, measured).weights[2] == 0


def test_the_trunk_tells_what_no_known_protein_does() -> None:
    known, own, measured = draw(300)
    trunk = 100 * torch.randn(300, 4, generator=torch.Generator().manual_seed(9))
    measured = measured + 0.01 * trunk[:, 2]
    without, head = fit_head(known, own, measured), fit_head(known, own, measured, trunk)
    assert head.error < 0.6 * without.error
    assert head.trunk[2] == pytest.approx(0.01, rel=0.2)
    assert float(head.trunk[[0, 1, 3]].abs().max()) < 0.002
