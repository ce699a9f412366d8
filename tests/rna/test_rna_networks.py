"""RNA networks: shapes, padding that does not count, and the mathematics they claim, computed another way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ribocyte.errors import RecipeError
from ribocyte.learn.measure import multiply_adds, parameters
from ribocyte.rna.alphabet import one_hot, tokens
from ribocyte.rna.attention import SelfAttention
from ribocyte.rna.networks import CNN, BiLSTM, BiLSTMConfig, CNNConfig, Residual, ResidualConfig
from ribocyte.rna.transformer import Transformer, TransformerConfig

CONFIGS: dict[str, Any] = {
    "cnn": CNNConfig(detectors=6, width=5, hidden=7),
    "bilstm": BiLSTMConfig(detectors=6, width=5, state=4, stride=2, hidden=7),
    "bilstm-1": BiLSTMConfig(detectors=6, width=5, state=4, stride=1, hidden=7),
    "bilstm-3": BiLSTMConfig(detectors=6, width=5, state=4, stride=3, hidden=7),
    "residual": ResidualConfig(channels=6, width=5, dilations=(1, 2), blocks=2, hidden=7),
    "cnn-self": CNNConfig(detectors=6, width=5, hidden=7, attention="self", heads=2),
    "cnn-pool": CNNConfig(detectors=6, width=5, hidden=7, attention="pool", heads=3),
    "bilstm-self": BiLSTMConfig(6, 5, state=4, stride=2, hidden=7, attention="self", heads=2),
    "bilstm-self-3": BiLSTMConfig(6, 5, state=4, stride=3, hidden=7, attention="self", heads=1),
    "bilstm-pool": BiLSTMConfig(6, 5, state=4, stride=2, hidden=7, attention="pool", heads=4),
    "bilstm-pool-1": BiLSTMConfig(6, 5, state=4, stride=1, hidden=7, attention="pool", heads=8),
    "transformer": TransformerConfig(width=6, stem=5, layers=2, heads=3, feedforward=9, hidden=7),
}
KINDS: dict[str, Any] = {"cnn": CNN, "bilstm": BiLSTM, "residual": Residual, "transformer": Transformer}


def build(name: str, experiments: int = 2) -> nn.Module:
    """Make a network whose normalisation has seen data, so that nothing in it is trivial."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = KINDS[name.split("-")[0]](CONFIGS[name], experiments)
        for _ in range(3):
            network(rna(32))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
            if isinstance(module, SelfAttention):
                nn.init.normal_(module.distance)
    return network.eval()


def sequences(count: int = 8, shortest: int = 30, longest: int = 41, seed: int = 0) -> list[str]:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest + 1, (count,), generator=generator).tolist()
    lengths[0] = longest
    draw = [torch.randint(0, 5, (length,), generator=generator).tolist() for length in lengths]
    return ["".join("ACGUN"[i] for i in letters) for letters in draw]


def rna(count: int = 8, length: int = 41, seed: int = 0) -> Tensor:
    return one_hot(tokens(sequences(count, longest=min(41, length), seed=seed), length))


every_network = pytest.mark.parametrize("name", CONFIGS)


@every_network
@pytest.mark.parametrize(
    ("rows", "length", "experiments"), [(1, 41, 1), (5, 41, 3), (2, 60, 244), (3, 20, 1), (2, 7, 1)]
)
def test_a_network_gives_a_row_an_rna_and_a_column_an_experiment(
    name: str, rows: int, length: int, experiments: int
) -> None:
    network = build(name, experiments)
    probes = one_hot(tokens(sequences(rows, shortest=1, longest=length), length))
    outputs = network(probes)
    assert outputs.shape == (rows, experiments)
    assert outputs.dtype == torch.float32
    assert outputs.isfinite().all()


@every_network
@pytest.mark.parametrize("shape", [(4, 41), (2, 41, 4), (2, 3, 41)])
def test_inputs_of_another_shape_are_refused_under_test(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(TypeCheckError):
        build(name)(torch.zeros(shape))


@every_network
@pytest.mark.parametrize("width", [42, 47, 60, 100])
def test_an_rna_padded_further_scores_the_same(name: str, width: int) -> None:
    network, short = build(name), rna()
    padded = nn.functional.pad(short, (0, width - short.shape[-1]))
    torch.testing.assert_close(network(padded), network(short), rtol=1e-4, atol=1e-5)


@every_network
def test_an_rna_padded_further_scores_the_same_in_bfloat16(name: str) -> None:
    network, short = build(name), rna()
    with torch.autocast("cpu", torch.bfloat16):
        once, further = network(short), network(nn.functional.pad(short, (0, 19)))
    torch.testing.assert_close(further.float(), once.float(), rtol=0.02, atol=0.02)


@every_network
def test_an_rna_padded_further_teaches_the_same(name: str) -> None:
    network, learned, received = build(name).double(), [], []
    for further in (0, 19):
        probes = nn.functional.pad(rna().double(), (0, further)).requires_grad_()
        network.zero_grad()
        network(probes).square().sum().backward()
        assert probes.grad is not None
        received.append(probes.grad[..., :41])
        learned.append([parameter.grad for parameter in network.parameters()])
    torch.testing.assert_close(received[1], received[0])
    torch.testing.assert_close(learned[1], learned[0])


@every_network
def test_nothing_but_padding_gives_numbers_and_disturbs_nobody(name: str) -> None:
    network, probes = build(name), rna()
    outputs = network(torch.cat([probes, torch.zeros(1, 4, 41)]))
    assert outputs.isfinite().all()
    torch.testing.assert_close(outputs[:-1], network(probes), rtol=1e-4, atol=1e-5)
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@every_network
def test_an_rna_scores_the_same_alone_and_in_company(name: str) -> None:
    network, probes = build(name), rna(9)
    together = network(probes)
    alone = torch.cat([network(probe[None]) for probe in probes])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    unpadded = torch.cat([network(one_hot(tokens([rna]))) for rna in sequences(9)])
    torch.testing.assert_close(unpadded, together, rtol=1e-4, atol=1e-5)


@every_network
def test_every_nucleotide_counts_the_first_and_the_last_too(name: str) -> None:
    network = build(name).double()
    probes = one_hot(tokens(sequences(64, shortest=41))).double()
    outputs = network(probes)
    for position in range(41):
        mutants = probes.clone()
        mutants[:, :, position] = mutants[:, :, position].roll(1, dims=1)
        assert (network(mutants) != outputs).any(), position


@every_network
def test_no_gradient_reaches_into_padding_to_change_the_score(name: str) -> None:
    network = build(name)
    probe = nn.functional.pad(rna(4), (0, 9)).requires_grad_()
    network(probe).sum().backward()
    assert probe.grad is not None
    assert probe.grad.isfinite().all()
    assert probe.grad[..., :30].abs().sum() > 0


@every_network
def test_double_precision_agrees(name: str) -> None:
    network, probes = build(name), rna()
    single = network(probes)
    double = network.double()(probes.double())
    assert double.dtype == torch.float64
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


@every_network
def test_memory_order_does_not_matter(name: str) -> None:
    network, probes = build(name), rna()
    torch.testing.assert_close(network(probes.contiguous()), network(probes), rtol=1e-4, atol=1e-5)


@every_network
def test_training_moves_every_parameter(name: str) -> None:
    network = build(name).train()
    network(rna(16)).square().sum().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.abs().sum() > 0, key


# The mathematics, another way


def test_the_cnn_keeps_the_strongest_match_of_each_detector() -> None:
    network = build("cnn")
    assert isinstance(network, CNN)
    for name in sequences(4):
        padded = nn.functional.pad(one_hot(tokens([name]))[0].double(), (2, 2))  # width 5: two on either side
        weight = network.detect.weight[:, :, 0].double()
        matches = [(weight * padded[:, at : at + 5]).sum(dim=(1, 2)) for at in range(len(name))]
        hits = torch.stack(matches).amax(dim=0) + network.detect.bias.double()
        norm = network.weigh[0]
        scaled = (hits - norm.running_mean.double()) / (norm.running_var.double() + norm.eps).sqrt()
        weighed = (scaled * norm.weight.double() + norm.bias.double()).clamp(min=0)
        expected = network.regress.double()(weighed[None])
        network.float()
        torch.testing.assert_close(network(one_hot(tokens([name]))).double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bilstm", "bilstm-1", "bilstm-3"])
def test_the_bilstm_is_torchs_bidirectional_lstm_over_packed_sequences(name: str) -> None:
    network = build(name)
    assert isinstance(network, BiLSTM)
    config: BiLSTMConfig = CONFIGS[name]
    probes = sequences(9)
    steps, counts = [], []
    for probe in probes:  # one at a time, never padded
        maps = network.normalise(network.detect(one_hot(tokens([probe])).unsqueeze(2))).relu()[0, :, 0]
        groups = maps.split(config.stride, dim=1)
        steps.append(torch.stack([group.amax(dim=1) for group in groups]))
        counts.append(len(groups))
    whole = nn.LSTM(config.detectors, config.state, batch_first=True, bidirectional=True)
    whole.load_state_dict(
        network.read_forward.state_dict()
        | {f"{key}_reverse": value for key, value in network.read_backward.state_dict().items()}
    )
    packed = pack_padded_sequence(nn.utils.rnn.pad_sequence(steps, True), torch.tensor(counts), True, False)
    states, _ = pad_packed_sequence(whole(packed)[0], batch_first=True)
    pooled = [
        torch.cat([state[:count].amax(dim=0), state[:count].mean(dim=0)])
        for state, count in zip(states, counts, strict=True)
    ]
    expected = network.regress(torch.stack(pooled))
    torch.testing.assert_close(network(one_hot(tokens(probes))), expected, rtol=1e-4, atol=1e-5)


def test_the_residual_network_is_the_one_described() -> None:
    network = build("residual")
    assert isinstance(network, Residual)
    config: ResidualConfig = CONFIGS["residual"]
    for probe in sequences(4):  # one at a time, never padded
        maps = network.normalise(network.detect(one_hot(tokens([probe])).unsqueeze(2))).relu()
        for block in network.blocks:
            first, second = block.convolve
            inner = block.normalise[0](first(maps)).relu()
            maps = (maps + block.normalise[1](second(inner))).relu()
        row = maps[0, :, 0]
        parts = [row[:, 10 * i : 10 * i + 10].sum(dim=1) / 10 for i in range(config.bins)]
        features = torch.cat([row.amax(dim=1), torch.stack(parts, dim=1).flatten()])
        expected = network.regress(features[None])
        torch.testing.assert_close(network(one_hot(tokens([probe], 41))), expected, rtol=1e-4, atol=1e-5)


# What they cost


def dense(inputs: int, hidden: int, outputs: int) -> tuple[int, int]:
    """Parameters and multiply-adds of the layers that end every network."""
    return inputs * hidden + 2 * hidden + hidden * outputs + outputs, inputs * hidden + hidden * outputs


def test_the_cost_of_the_cnn_is_the_one_made_by_hand() -> None:
    c, network = CNNConfig(), CNN(CNNConfig(), 3)
    learned, work = dense(c.detectors, c.hidden, 3)
    assert parameters(network) == 4 * c.width * c.detectors + c.detectors + 2 * c.detectors + learned
    assert multiply_adds(network, rna(2)) == 41 * 4 * c.width * c.detectors + work


def test_the_cost_of_the_bilstm_is_the_one_made_by_hand() -> None:
    c, network = BiLSTMConfig(), BiLSTM(BiLSTMConfig(), 1)
    learned, work = dense(4 * c.state, c.hidden, 1)
    gates = 4 * c.state * (c.detectors + c.state)
    assert parameters(network) == (
        4 * c.width * c.detectors + 2 * c.detectors + 2 * (gates + 2 * 4 * c.state) + learned
    )
    steps = -(-41 // c.stride)
    assert multiply_adds(network, rna(2)) == 41 * 4 * c.width * c.detectors + steps * 2 * gates + work


def test_the_cost_of_the_residual_network_is_the_one_made_by_hand() -> None:
    c, network = ResidualConfig(), Residual(ResidualConfig(), 1)
    learned, work = dense((1 + c.bins) * c.channels, c.hidden, 1)
    convolutions = c.blocks * len(c.dilations) * 3 * c.channels**2
    normalisations = (1 + c.blocks * len(c.dilations)) * 2 * c.channels
    detect = 4 * c.width * c.channels
    assert parameters(network) == detect + convolutions + normalisations + learned
    assert multiply_adds(network, rna(2)) == 41 * (detect + convolutions) + work


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_heads_cost_no_width(heads: int) -> None:
    for config in (CNNConfig(attention="self", heads=heads), CNNConfig(attention="self", heads=1)):
        c, network = config, CNN(config, 3)
        learned, work = dense(c.detectors, c.hidden, 3)
        attention = 4 * c.detectors**2 + 4 * c.detectors + 2 * c.detectors + c.heads * 41
        assert parameters(network) == 4 * c.width * c.detectors + 2 * c.detectors + attention + learned
        products = 4 * 41 * c.detectors**2 + 2 * 41 * 41 * c.detectors
        assert multiply_adds(network, rna(2)) == 41 * 4 * c.width * c.detectors + products + work


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (CNNConfig, {"width": 4}),
        (CNNConfig, {"detectors": 0}),
        (CNNConfig, {"dropout": 1.0}),
        (BiLSTMConfig, {"stride": 0}),
        (BiLSTMConfig, {"state": 0}),
        (ResidualConfig, {"dilations": ()}),
        (ResidualConfig, {"dilations": (1, 0)}),
        (ResidualConfig, {"bins": 0}),
        (ResidualConfig, {"noise": -0.1}),
        (ResidualConfig, {"blocks": 0}),
        (TransformerConfig, {"stem": 4}),
        (TransformerConfig, {"layers": 0}),
        (TransformerConfig, {"feedforward": 0}),
        (TransformerConfig, {"noise": 1.0}),
        (TransformerConfig, {"heads": 5}),
    ],
)
def test_an_impossible_network_is_refused(config: type, settings: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=rf"^model\.{next(iter(settings))} = .* is impossible"):
        config(**settings)
