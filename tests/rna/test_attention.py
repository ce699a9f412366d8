"""Attention: PyTorch's own given the same weights, sums worked out by hand, and what it says of where it looked."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ribocyte.errors import ModelError, RecipeError
from ribocyte.rna.alphabet import one_hot, tokens
from ribocyte.rna.attention import AttentionPool, Attentive, SelfAttention, check_heads, spread
from ribocyte.rna.layers import present
from ribocyte.rna.networks import CNN, BiLSTM, BiLSTMConfig, CNNConfig, Residual, ResidualConfig
from ribocyte.rna.transformer import Transformer, TransformerConfig

LENGTHS = (7, 5, 1)


def mask(*lengths: int) -> Tensor:
    """Make a mask of RNAs of these lengths."""
    return present(one_hot(tokens(["A" * length for length in lengths])))


def steps(width: int, seed: int = 0) -> Tensor:
    """Draw three RNAs of seven positions; what lies in the padding is noise, not zero."""
    return torch.randn(3, max(LENGTHS), width, generator=torch.Generator().manual_seed(seed))


def self_attention(width: int = 8, heads: int = 2, farthest: int = 3) -> SelfAttention:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layer = SelfAttention(width, heads, farthest)
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.5)
    return layer


# Self-attention


def by_torch(layer: SelfAttention, given: Tensor) -> tuple[Tensor, Tensor]:
    """Run PyTorch's multi-head attention with the layer's weights over one RNA that is not padded."""
    width, length = given.shape[1], given.shape[0]
    theirs = nn.MultiheadAttention(width, layer.heads, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": layer.project.weight,
            "in_proj_bias": layer.project.bias,
            "out_proj.weight": layer.combine.weight,
            "out_proj.bias": layer.combine.bias,
        }
    )
    bias = torch.stack(
        [
            torch.stack([layer.distance[:, max(-3, min(3, j - i)) + 3] for j in range(length)])
            for i in range(length)
        ]
    ).permute(2, 0, 1)
    normal = layer.normalise(given)[None]
    found, weights = theirs(normal, normal, normal, attn_mask=bias, average_attn_weights=False)
    return given + found[0], weights[0]


@pytest.mark.parametrize("heads", [1, 2, 8])
def test_self_attention_is_torchs_over_each_rna_on_its_own(heads: int) -> None:
    layer, given = self_attention(heads=heads), steps(8)
    attended, shares = layer(given, mask(*LENGTHS)), layer.share(given, mask(*LENGTHS))
    for row, length in enumerate(LENGTHS):
        expected, weights = by_torch(layer, given[row, :length])
        torch.testing.assert_close(attended[row, :length], expected)
        torch.testing.assert_close(shares[row, :, :length], weights.mean(dim=1))
        assert (shares[row, :, length:] == 0).all()


def test_positions_know_their_distance_and_not_their_place() -> None:
    layer, given, there = self_attention(), steps(8)[:1, :4], mask(4)
    moved, later = torch.zeros(1, 6, 8), torch.zeros(1, 1, 1, 6)
    moved[:, 2:], later[..., 2:] = given, 1
    torch.testing.assert_close(layer(moved, later)[:, 2:], layer(given, there))
    backwards = layer(given.flip(1), there).flip(1)
    assert not torch.allclose(backwards, layer(given, there), atol=1e-3)


# Attention pooling


def test_each_query_pools_its_own_channels_by_its_own_weights() -> None:
    pool, given = AttentionPool(6, 2), steps(6)
    pooled, shares = pool(given, mask(*LENGTHS)), pool.share(given, mask(*LENGTHS))
    for row, length in enumerate(LENGTHS):
        real = given[row, :length]
        for head in range(2):
            weights = torch.stack([(step * pool.queries[head]).sum() for step in real]).exp()
            weights = weights / weights.sum()
            torch.testing.assert_close(shares[row, head, :length], weights)
            mine = slice(3 * head, 3 * head + 3)
            torch.testing.assert_close(pooled[row, mine], (weights[:, None] * real[:, mine]).sum(dim=0))
        assert (shares[row, :, length:] == 0).all()


def test_a_query_that_asks_for_nothing_is_the_mean() -> None:
    pool, given = AttentionPool(6, 3), steps(6)
    nn.init.zeros_(pool.queries)
    expected = torch.stack([row[:length].mean(dim=0) for row, length in zip(given, LENGTHS, strict=True)])
    torch.testing.assert_close(pool(given, mask(*LENGTHS)), expected)


def test_merged_positions_hand_their_share_to_their_nucleotides() -> None:
    share = torch.tensor([[[0.6, 0.3, 0.1]], [[0.8, 0.2, 0.0]]])
    found = spread(share, mask(7, 4), 3)
    torch.testing.assert_close(found[0, 0], torch.tensor([0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]))
    torch.testing.assert_close(found[1, 0], torch.tensor([0.8 / 3] * 3 + [0.2, 0.0, 0.0, 0.0]))


# Where networks say they looked

SMALL: dict[str, Any] = {
    "cnn-self": (CNN, CNNConfig(detectors=8, width=5, hidden=4, attention="self", heads=4)),
    "cnn-pool": (CNN, CNNConfig(detectors=8, width=5, hidden=4, attention="pool", heads=2)),
    "bilstm-self": (BiLSTM, BiLSTMConfig(6, 5, state=4, stride=2, attention="self", heads=4)),
    "bilstm-pool": (BiLSTM, BiLSTMConfig(6, 5, state=4, stride=3, attention="pool", heads=2)),
    "bilstm-pool-1": (BiLSTM, BiLSTMConfig(6, 5, state=4, stride=1, attention="pool", heads=1)),
    "transformer": (Transformer, TransformerConfig(width=8, stem=5, layers=2, heads=4, feedforward=8)),
}
every_attention = pytest.mark.parametrize("name", SMALL)
PROBES = ["GCAUGCAUGNACGUUAGCAUG", "GCAUGAC", "A", "ACGUNACGUACGUUUUACGA"]


def build(name: str) -> Any:
    kind, config = SMALL[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return kind(config, 1).eval()


@every_attention
def test_attention_is_shared_out_among_the_nucleotides_and_none_to_padding(name: str) -> None:
    network = build(name)
    assert isinstance(network, Attentive)
    share = network.attend(one_hot(tokens(PROBES, 30)))
    assert share.shape == (4, SMALL[name][1].heads, 30)
    torch.testing.assert_close(share.sum(dim=2), torch.ones(share.shape[:2]))
    for row, probe in zip(share, PROBES, strict=True):
        assert (row[:, : len(probe)] > 0).all()
        assert (row[:, len(probe) :] == 0).all()
    torch.testing.assert_close(share[2, :, 0], torch.ones(share.shape[1]))


@every_attention
def test_attention_does_not_depend_on_padding_company_or_precision(name: str) -> None:
    network = build(name)
    share = network.attend(one_hot(tokens(PROBES, 30)))
    wider = network.attend(one_hot(tokens(PROBES, 50)))
    torch.testing.assert_close(wider[..., :30], share)
    for row, probe in zip(share, PROBES, strict=True):
        alone = network.attend(one_hot(tokens([probe])))
        torch.testing.assert_close(alone[0], row[:, : len(probe)])
    with torch.autocast("cpu", torch.bfloat16):
        half = network.attend(one_hot(tokens(PROBES, 30)))
    torch.testing.assert_close(half.float(), share, atol=0.02, rtol=0.02)


@every_attention
def test_nothing_but_padding_gets_no_share_and_no_nan(name: str) -> None:
    share = build(name).attend(torch.zeros(2, 4, 30))
    assert (share == 0).all()


@pytest.mark.parametrize("kind", ["self", "pool"])
@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_heads_do_not_change_the_width_of_what_follows(kind: Any, heads: int) -> None:
    cnn = CNN(CNNConfig(attention=kind, heads=heads), 1)
    bilstm = BiLSTM(BiLSTMConfig(attention=kind, heads=heads), 1)
    assert cnn.regress[1].in_features == 192
    assert bilstm.regress[1].in_features == (384 if kind == "self" else 192)


# Without attention


def test_without_attention_the_networks_are_those_of_old() -> None:
    """Saved models keep loading, and a seed keeps meaning the same weights, whatever `heads` says."""
    ends = ["1.weight", "2.weight", "2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked"]
    ends = [f"regress.{name}" for name in [*ends, "5.weight", "5.bias"]]
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(CNN(CNNConfig(), 1).state_dict()) == [
        *("detect.weight", "detect.bias"),
        *(f"weigh.0.{name}" for name in norm),
        *ends,
    ]
    lstm = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert list(BiLSTM(BiLSTMConfig(heads=7), 1).state_dict()) == [
        "detect.weight",
        *(f"normalise.{name}" for name in norm),
        *(f"read_forward.{name}" for name in lstm),
        *(f"read_backward.{name}" for name in lstm),
        *ends,
    ]


@pytest.mark.parametrize("network", [CNN(CNNConfig(), 1), BiLSTM(BiLSTMConfig(), 1)])
def test_a_network_without_attention_says_so(network: Any) -> None:
    with pytest.raises(ModelError, match=r"model.attention = 'none'.*expected .*'self' or 'pool'"):
        network.attend(one_hot(tokens(["ACGU"])))
    assert not isinstance(Residual(ResidualConfig(), 1), Attentive)


def test_heads_that_do_not_divide_the_width_are_refused_with_those_that_do() -> None:
    with pytest.raises(
        RecipeError, match=r"^model.heads = 5 is impossible; expected .*detectors = 12: 1, 2, 3"
    ):
        CNNConfig(detectors=12, heads=5, attention="pool")
    with pytest.raises(RecipeError, match=r"2 \* model.state = 192"):
        BiLSTMConfig(heads=5, attention="self")
    with pytest.raises(RecipeError, match=r"model.heads = 0"):
        CNNConfig(heads=0)
    check_heads(5, 192, "model.detectors", "none")
