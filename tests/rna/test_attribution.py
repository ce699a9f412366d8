"""Attribution of networks whose answer can be worked out, and ours against the libraries' own functions."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

import toys
from ribocyte.errors import ModelError, RequestError
from ribocyte.learn.ensemble import Ensemble
from ribocyte.learn.predictor import Predictor
from ribocyte.rna import networks
from ribocyte.rna.alphabet import PADDING, letters, one_hot, tokens
from ribocyte.rna.attribution import (
    Attribution,
    attention,
    deep_lift_shap,
    integrated_gradients,
    mutagenesis,
    mutational_attribution,
)
from ribocyte.rna.encoding import RNAEncoding
from ribocyte.rna.layers import Maximum
from ribocyte.rna.shuffling import dinucleotide_shuffle
from ribocyte.rna.transformer import Transformer, TransformerConfig

SEQUENCES = ["ACGUACGGAUUACAGAUUCGA", "GGAUUNNACGAUACG", "UUUUAGCAUGCAAC", "AUGCAUGCAUGCAUGCAUGCAUG"]
CNN = networks.CNNConfig(detectors=6, width=5, hidden=8)
BUILD: dict[str, Callable[[], nn.Module]] = {
    "cnn": lambda: networks.CNN(CNN, 2),
    "pool": lambda: networks.CNN(networks.CNNConfig(6, 5, 8, attention="pool", heads=2), 2),
    "residual": lambda: networks.Residual(networks.ResidualConfig(8, 5, (1, 2), hidden=8), 2),
    "bilstm": lambda: networks.BiLSTM(networks.BiLSTMConfig(6, 5, 4, hidden=8), 2),
    "transformer": lambda: Transformer(
        TransformerConfig(width=8, stem=5, layers=1, heads=2, feedforward=8, hidden=8), 2
    ),
}
LIFTED = ("cnn", "residual")
"""Networks that DeepLIFT has a rule for everything of."""


def model(network: nn.Module, length: int = 25) -> Predictor:
    return Predictor(network, RNAEncoding(length=length, stride=1), {})


def built(name: str) -> Predictor:
    """Build a network with weights that matter: batch normalisation as after training, outputs of order one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = BUILD[name]()
        network.train()
        for _ in range(20):
            network(one_hot(torch.randint(4, (64, 25), dtype=torch.uint8)))
    return model(network)


def linear(length: int = 25) -> Predictor:
    generator = torch.Generator().manual_seed(1)
    return model(toys.Linear(torch.randn(4, length, generator=generator)), length)


def weights(of: Predictor) -> Tensor:
    assert isinstance(of.network, toys.Linear)
    return of.network.weights.detach()


class Product(nn.Module):
    """The number of A times the number of C: no nucleotide counts on its own; (N, 4, L) to (N, 1)."""

    def forward(self, rna: Tensor) -> Tensor:
        counts = rna.sum(dim=2)
        return (counts[:, 0] * counts[:, 1]).unsqueeze(1)


class Highest(nn.Module):
    """The strongest of some detectors' matches, as tangermeme's own rule knows it, or as ours does."""

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.detect = nn.Conv2d(4, 6, (1, 5))
            self.rectify, self.combine = nn.ReLU(), nn.Linear(6, 1)
        self.pool = pool

    def forward(self, rna: Tensor) -> Tensor:
        out: Tensor = self.combine(self.rectify(self.pool(self.detect(rna.unsqueeze(2))).flatten(1)))
        return out


def brute_force(of: Predictor, sequence: str, output: int) -> Tensor:
    """Spell every mutant and ask for all of them."""
    length = 25
    places = [
        (number, at) for at, there in enumerate(sequence) for number in range(4) if "ACGU"[number] != there
    ]
    mutants = [sequence[:at] + "ACGU"[number] + sequence[at + 1 :] for number, at in places]
    asked = of.outputs(tokens([sequence, *mutants], length))[:, output]
    effects = torch.zeros(4, length)
    for (number, at), mutant in zip(places, asked[1:], strict=True):
        effects[number, at] = mutant - asked[0]
    return effects


def test_mutagenesis_of_a_linear_network_is_its_weights() -> None:
    of, rna = linear(5), tokens(["ACGUA"])
    chosen = weights(of).gather(0, rna.long())
    torch.testing.assert_close(mutagenesis(of, rna)[0], weights(of) - chosen)


def test_a_base_contributes_what_it_gives_over_the_mean_of_the_four() -> None:
    of, rna = linear(5), tokens(["ACGUA"])
    found = mutational_attribution(of, rna)
    expected = weights(of) - weights(of).mean(dim=0)
    torch.testing.assert_close(found.values[0], expected)
    torch.testing.assert_close(found.contributions[0], expected.gather(0, rna.long())[0])
    torch.testing.assert_close(found.effects, mutagenesis(of, rna))
    assert found.deltas is None


@pytest.mark.parametrize("name", BUILD)
def test_mutagenesis_is_what_spelling_every_mutant_gives(name: str) -> None:
    of = built(name)
    found = mutagenesis(of, tokens(SEQUENCES, 25), output=1, batch_size=64)
    expected = torch.stack([brute_force(of, sequence, 1) for sequence in SEQUENCES])
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    assert expected.abs().max() > 0.01


def test_mutagenesis_changes_nothing_at_padding_and_each_base_at_n() -> None:
    effects = mutagenesis(linear(), tokens(["ACN"], 25))[0]
    assert (effects[:, 3:] == 0).all()
    assert effects[0, 0] == effects[1, 1] == 0
    torch.testing.assert_close(effects[:, 2].mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
    assert (effects[:, 2] != 0).all()


def test_integrated_gradients_of_a_product_are_half_of_the_other_factor() -> None:
    """From a quarter of every base: f = a·c, so each A contributes (1 − 1/4) times the mean of c on the way."""
    of, rna = model(Product(), 4), tokens(["AACG"])
    found = integrated_gradients(of, rna, baseline="uniform", steps=64)
    mean_a, mean_c = (2 + 1) / 2, (1 + 1) / 2  # of the numbers of A and C, from 4 · 1/4 to what is there
    expected = torch.tensor([0.75 * mean_c - 0.25 * mean_a] * 2 + [0.75 * mean_a - 0.25 * mean_c])
    torch.testing.assert_close(found.contributions[0, :3], expected, atol=1e-4, rtol=0)
    assert found.prediction.tolist() == [2.0]
    assert found.reference is not None
    assert found.reference.tolist() == [1.0]


@pytest.mark.parametrize("method", [integrated_gradients, deep_lift_shap])
def test_hypothetical_contributions_of_a_linear_network_are_its_weights(
    method: Callable[[Predictor, Tensor], Attribution],
) -> None:
    of, rna = linear(), tokens(SEQUENCES, 25)
    found = method(of, rna)
    count = 10 if method is integrated_gradients else 20
    shares = (
        one_hot(dinucleotide_shuffle(rna, 0, count, alone=True).flatten(0, 1))
        .view(len(rna), count, 4, 25)
        .mean(dim=1)
    )
    there = (rna != PADDING)[:, None]
    expected = (weights(of) - (weights(of) * shares).sum(dim=1, keepdim=True)) * there
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BUILD)
def test_integrated_gradients_are_complete(name: str) -> None:
    found = integrated_gradients(built(name), tokens(SEQUENCES, 25), output=1, references=3)
    _assert_complete(found, 1e-3)


@pytest.mark.parametrize("name", LIFTED)
def test_deep_lift_is_complete_where_it_has_a_rule_for_everything(name: str) -> None:
    _assert_complete(deep_lift_shap(built(name), tokens(SEQUENCES, 25), output=1), 1e-5)


def _assert_complete(found: Attribution, tolerance: float) -> None:
    assert found.deltas is not None
    assert found.reference is not None
    change = found.prediction - found.reference
    torch.testing.assert_close(found.contributions.sum(dim=1), change, atol=tolerance, rtol=0)
    assert found.deltas.abs().max() <= tolerance
    assert change.abs().max() > 0.01


@pytest.mark.parametrize("name", ["pool", "bilstm", "transformer"])
def test_deep_lift_refuses_what_it_has_no_rule_for(name: str) -> None:
    with pytest.raises(ModelError, match=r"no recurrence, no attention; use integrated-gradients"):
        deep_lift_shap(built(name), tokens(SEQUENCES, 25))


@pytest.mark.parametrize("name", BUILD)
def test_integrated_gradients_are_captums(name: str) -> None:
    from captum.attr import IntegratedGradients

    of, rna = built(name), tokens(SEQUENCES, 25)
    found = integrated_gradients(of, rna, output=1, references=2, seed=4, steps=16, most_steps=16)
    expected = torch.zeros(len(rna), 25)
    for begin in (
        one_hot(dinucleotide_shuffle(rna, 4, 2, alone=True).flatten(0, 1)).view(len(rna), 2, 4, 25).unbind(1)
    ):
        library = IntegratedGradients(of.network)
        theirs = library.attribute(one_hot(rna), begin, target=1, n_steps=16, method="riemann_middle")
        expected += theirs.sum(dim=1).detach() / 2
    torch.testing.assert_close(found.contributions, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", LIFTED)
def test_deep_lift_is_tangermemes(name: str) -> None:
    """The whole of their function, with references of theirs given: no padding and no N, which it does not take."""
    from tangermeme import deep_lift_shap as library

    from ribocyte.rna.attribution import _deep_lift

    of, rna = built(name), tokens(["ACGUACGGAUUACAGAUUCGAUUAC", "GGAUCAGACGAUACGACCAUUAGAC"])
    found = deep_lift_shap(of, rna, output=1, references=5, seed=2)
    theirs = library.deep_lift_shap(
        of.network,
        one_hot(rna),
        target=1,
        references=one_hot(dinucleotide_shuffle(rna, 2, 5, alone=True).flatten(0, 1)).reshape(2, 5, 4, 25),
        hypothetical=True,
        additional_nonlinear_ops={Maximum: _deep_lift._share_maximum},
        device="cpu",
    )
    torch.testing.assert_close(found.values, theirs, atol=1e-5, rtol=1e-4)


def test_our_rule_for_a_maximum_is_tangermemes() -> None:
    """The same network, with their pooling whose rule is theirs, and with ours."""
    from tangermeme.deep_lift_shap import deep_lift_shap as theirs

    rna = tokens(["ACGUACGGAUUACAGAUUCGAUUAC", "GGAUCAGACGAUACGACCAUUAGAC"])
    found = deep_lift_shap(model(Highest(Maximum())), rna, references=4, seed=1)
    begin = one_hot(dinucleotide_shuffle(rna, 1, 4, alone=True).flatten(0, 1)).reshape(2, 4, 4, 25)
    network = Highest(nn.MaxPool2d((1, 21))).eval()
    expected = theirs(network, one_hot(rna), references=begin, hypothetical=True, device="cpu")
    torch.testing.assert_close(found.values, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BUILD)
def test_nothing_depends_on_the_batch_size(name: str) -> None:
    of, rna = built(name), tokens(SEQUENCES, 25)
    torch.testing.assert_close(mutagenesis(of, rna, batch_size=7), mutagenesis(of, rna), atol=1e-5, rtol=1e-4)
    one = integrated_gradients(of, rna, references=3, steps=8, most_steps=8, batch_size=2)
    other = integrated_gradients(of, rna, references=3, steps=8, most_steps=8)
    torch.testing.assert_close(one.values, other.values, atol=1e-5, rtol=1e-3)
    if name in LIFTED:
        one, other = (deep_lift_shap(of, rna, references=5, batch_size=size) for size in (3, 256))
        torch.testing.assert_close(one.values, other.values, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", BUILD)
def test_padding_changes_nothing_and_counts_for_nothing(name: str) -> None:
    of, short, padded = built(name), tokens(SEQUENCES), tokens(SEQUENCES, 40)
    width = short.shape[1]
    gradients = partial(integrated_gradients, references=2, steps=16, most_steps=16)
    for method in (mutational_attribution, gradients, *([deep_lift_shap] if name in LIFTED else [])):
        one, other = method(of, short), method(of, padded)
        assert (other.values[:, :, width:] == 0).all()
        assert (other.values.permute(0, 2, 1)[padded == PADDING] == 0).all()
        torch.testing.assert_close(one.values, other.values[:, :, :width], atol=1e-4, rtol=1e-2)


def test_u_and_t_are_the_same() -> None:
    of = built("cnn")
    one, other = (mutagenesis(of, tokens([rna], 25)) for rna in ("ACGUUA", "acgtta"))
    assert torch.equal(one, other)


@pytest.mark.parametrize("method", [mutational_attribution, integrated_gradients, deep_lift_shap, attention])
def test_a_network_is_left_as_it_was_found(method: Callable[[Predictor, Tensor], object]) -> None:
    of = built("pool" if method is attention else "cnn")
    of.network.train()
    of.network.regress.eval()  # type: ignore[union-attr] # frozen by someone
    before = {name: value.clone() for name, value in of.network.state_dict().items()}
    modes = [module.training for module in of.network.modules()]
    method(of, tokens(SEQUENCES[:1], 25))
    assert [module.training for module in of.network.modules()] == modes
    assert not any(module._backward_hooks or module._forward_hooks for module in of.network.modules())
    assert toys.same_bits(dict(of.network.state_dict()), before)
    assert all(weight.grad is None and weight.requires_grad for weight in of.network.parameters())


def test_steps_are_added_until_the_contributions_are_complete() -> None:
    of, rna = built("residual"), tokens(SEQUENCES, 25)
    few = integrated_gradients(of, rna, baseline="uniform", steps=2, most_steps=2)
    enough = integrated_gradients(of, rna, baseline="uniform", steps=2, tolerance=1e-4)
    assert few.deltas is not None
    assert enough.deltas is not None
    assert few.deltas.abs().max() > 1e-3
    assert enough.deltas.abs().max() <= 1e-4


def test_references_are_the_sequences_own_shuffles_with_padding_in_place() -> None:
    of, rna = linear(), tokens(SEQUENCES, 25)
    found = integrated_gradients(of, rna, references=4, seed=9)
    shuffled = dinucleotide_shuffle(rna, 9, 4, alone=True)
    expected = of.outputs(shuffled.flatten(0, 1))[:, 0].view(-1, 4).mean(dim=1)
    torch.testing.assert_close(found.reference, expected)
    for own, others in zip(rna, shuffled, strict=True):
        assert all(torch.equal(own == PADDING, other == PADDING) for other in others)


@pytest.mark.parametrize("method", [partial(integrated_gradients, steps=8, most_steps=8), deep_lift_shap])
def test_an_rna_is_explained_alike_whatever_is_beside_it(method: Callable[..., Attribution]) -> None:
    of, rna = built("cnn"), tokens(SEQUENCES, 25)
    together, alone = method(of, rna), method(of, rna[2:3])
    torch.testing.assert_close(together.values[2:3], alone.values, atol=1e-5, rtol=1e-3)


def test_lots_are_joined() -> None:
    of, rna = built("cnn"), tokens(SEQUENCES, 25)
    whole = mutational_attribution(of, rna)
    joined = Attribution.join([mutational_attribution(of, rna[:1]), mutational_attribution(of, rna[1:])])
    torch.testing.assert_close(joined.values, whole.values, atol=1e-5, rtol=1e-4)
    assert letters(joined.tokens) == SEQUENCES
    assert joined.reference is None


@pytest.mark.parametrize("method", [mutational_attribution, integrated_gradients, deep_lift_shap])
def test_no_sequence_gives_no_attribution(method: Callable[[Predictor, Tensor], Attribution]) -> None:
    found = method(built("cnn"), tokens([], 25))
    assert found.values.shape == (0, 4, 25)
    assert found.contributions.shape == (0, 25)


def test_attention_is_what_the_network_attends_to() -> None:
    of, rna = built("pool"), tokens(SEQUENCES, 25)
    found = attention(of, rna, batch_size=2)
    assert found.shape == (4, 2, 25)
    torch.testing.assert_close(found.sum(dim=2), torch.ones(4, 2))
    assert (found.transpose(1, 2)[rna == PADDING] == 0).all()
    with torch.no_grad():
        expected = of.network.attend(one_hot(rna))  # type: ignore[operator]
    torch.testing.assert_close(found, expected)


def test_an_ensemble_attends_with_the_heads_of_all_its_members() -> None:
    one, other, rna = built("pool"), built("transformer"), tokens(SEQUENCES, 25)
    found = attention(model(Ensemble([one.network, other.network])), rna)
    torch.testing.assert_close(found, torch.cat([attention(one, rna), attention(other, rna)], dim=1))


def test_a_network_without_attention_says_so() -> None:
    with pytest.raises(ModelError, match="attention: Residual attends to nothing"):
        attention(model(Ensemble([built("residual").network])), tokens(SEQUENCES, 25))
    with pytest.raises(ModelError, match=r"attention: Residual attends to nothing; expected a transformer"):
        attention(built("residual"), tokens(SEQUENCES, 25))


def test_what_is_impossible_is_refused() -> None:
    of, rna = linear(), tokens(SEQUENCES, 25)
    named = Predictor(of.network, RNAEncoding(25, ("RBFOX1",)), {})
    with pytest.raises(RequestError, match=r"output = 1: the model has 1; expected 0 to 0"):
        mutagenesis(named, rna, output=1)
    with pytest.raises(RequestError, match=r"baseline = 'zero'; expected 'shuffled' or 'uniform'"):
        integrated_gradients(of, rna, baseline="zero")  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"references = 0; expected 1 or more"):
        deep_lift_shap(of, rna, references=0)
    with pytest.raises(RequestError, match=r"steps = 9; expected from 1 to most_steps = 4"):
        integrated_gradients(of, rna, steps=9, most_steps=4)
    assert mutational_attribution(named, rna).output == "RBFOX1"


def test_nothing_is_warned_of_where_there_is_n_and_padding() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        deep_lift_shap(built("cnn"), tokens(SEQUENCES, 25))
        integrated_gradients(built("cnn"), tokens(SEQUENCES, 25), steps=2, most_steps=2)
    assert [str(warning.message) for warning in caught] == []
