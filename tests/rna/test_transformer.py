"""The transformer, block by block, against PyTorch's own encoder; the tests of every network are elsewhere."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ribocyte.learn.measure import multiply_adds, parameters
from ribocyte.rna.alphabet import one_hot, tokens
from ribocyte.rna.attention import SelfAttention
from ribocyte.rna.transformer import EncoderBlock, Transformer, TransformerConfig

CONFIG = TransformerConfig(width=12, stem=5, layers=3, heads=3, feedforward=20, bins=2, hidden=7)


def build(config: TransformerConfig = CONFIG) -> Transformer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return Transformer(config, 2).eval()


def torch_block(block: EncoderBlock) -> nn.TransformerEncoderLayer:
    """Give PyTorch's pre-norm encoder layer the weights of a block."""
    theirs = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, batch_first=True, norm_first=True)
    attention, (norm, into, _, out) = block.attention, block.think
    parts = {
        "self_attn.out_proj": attention.combine,
        "norm1": attention.normalise,
        "norm2": norm,
        "linear1": into,
        "linear2": out,
    }
    state = {
        f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()
    }
    state |= {
        "self_attn.in_proj_weight": attention.project.weight,
        "self_attn.in_proj_bias": attention.project.bias,
    }
    theirs.load_state_dict(state)
    return theirs.train()  # its fast path in eval mode takes no bias


def test_the_blocks_are_torchs_encoder_layers_and_a_bias_of_distance() -> None:
    network = build()
    for probe in ["GCAUGCAUGNACGUUAGCAUG", "ACGUU", "A"]:
        steps = network.normalise(network.detect(one_hot(tokens([probe])).unsqueeze(2))).relu()
        steps = steps.squeeze(2).transpose(1, 2)
        for block in network.blocks:
            assert isinstance(block, EncoderBlock)
            at = torch.arange(len(probe))
            bias = block.attention.distance[:, (at[None] - at[:, None]).clamp(-20, 20) + 20]
            steps = torch_block(block)(steps, src_mask=bias)
        row = network.finish(steps)[0]
        parts = [row[:10].sum(dim=0) / 10, row[10:20].sum(dim=0) / 10]
        features = torch.cat([row.amax(dim=0), torch.stack(parts, dim=1).flatten()])
        torch.testing.assert_close(
            network(one_hot(tokens([probe], 41))), network.regress(features[None]), rtol=1e-4, atol=1e-5
        )


def test_what_it_attends_to_is_the_last_blocks_attention() -> None:
    network, rna = build(), one_hot(tokens(["GCAUGCAUGNACGUUAGCAUG", "ACGUU"]))
    seen = {}
    last = network.blocks[-1]
    assert isinstance(last, EncoderBlock)
    assert isinstance(last.attention, SelfAttention)
    last.attention.register_forward_pre_hook(lambda _, given: seen.update(given=given))
    network(rna)
    torch.testing.assert_close(network.attend(rna), last.attention.share(*seen["given"]))


def test_its_cost_is_the_one_made_by_hand() -> None:
    c, network = TransformerConfig(), Transformer(TransformerConfig(), 1)
    width, pooled = c.width, (1 + c.bins) * c.width
    block = 4 * width**2 + 4 * width + 2 * width + c.heads * 41
    block += 2 * width + 2 * width * c.feedforward + c.feedforward + width
    dense = pooled * c.hidden + 2 * c.hidden + c.hidden + 1
    assert parameters(network) == 4 * c.stem * width + 2 * width + c.layers * block + 2 * width + dense
    position = 4 * c.stem * width + c.layers * (4 * width**2 + 2 * 41 * width + 2 * width * c.feedforward)
    assert multiply_adds(network, one_hot(tokens(["A" * 41]))) == 41 * position + pooled * c.hidden + c.hidden


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_heads_do_not_change_its_size_but_for_the_bias(heads: int) -> None:
    one, many = (parameters(Transformer(TransformerConfig(heads=count), 1)) for count in (1, heads))
    assert many - one == TransformerConfig().layers * (heads - 1) * 41
