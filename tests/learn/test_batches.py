"""Batches: every row once, in an order that (seed, epoch) alone decide."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

import toys
from ribocyte.learn.batches import batch_rows, mix, to_device


@given(
    count=st.integers(2, 300),
    size=st.integers(8, 64),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 1000),
    smallest=st.integers(1, 8),
)
def test_every_row_comes_once_but_for_a_last_batch_that_is_too_small(
    count: int, size: int, seed: int, epoch: int, smallest: int
) -> None:
    batches = batch_rows(count, size, seed, epoch, smallest)
    rows = [row for batch in batches for row in batch.tolist()]
    left_over = count % size if count % size < smallest else 0
    assert len(rows) == count - left_over
    assert len(set(rows)) == len(rows)
    assert set(rows) <= set(range(count))
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(len(batch) >= smallest for batch in batches[-1:])


def test_batches_of_one_row_keep_every_row_where_they_may() -> None:
    assert sorted(torch.cat(batch_rows(5, 1, 0, 0, smallest=1)).tolist()) == [0, 1, 2, 3, 4]


def test_a_row_left_out_in_one_epoch_is_not_the_one_left_out_in_the_next() -> None:
    left = {
        (set(range(17)) - set(torch.cat(batch_rows(17, 8, 0, epoch)).tolist())).pop() for epoch in range(30)
    }
    assert len(left) > 5


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = torch.cat(batch_rows(100, 10, 3, 4))
    torch.manual_seed(99)
    torch.rand(7)
    assert torch.equal(torch.cat(batch_rows(100, 10, 3, 4)), first)
    assert torch.equal(torch.cat(batch_rows(100, 25, 3, 4)), first)  # nor on the size of the batches
    others = [torch.cat(batch_rows(100, 10, *pair)) for pair in ((3, 5), (4, 4), (4, 3))]
    assert not any(torch.equal(first, other) for other in others)


def test_making_batches_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    batch_rows(50, 8, 1, 2)
    assert torch.equal(torch.get_rng_state(), before)


@given(
    st.lists(st.integers(0, 2**32), min_size=1, max_size=4),
    st.lists(st.integers(0, 2**32), min_size=1, max_size=4),
)
def test_mixed_seeds_are_valid_and_differ(one: list[int], other: list[int]) -> None:
    assert 0 <= mix(*one) < 2**63
    torch.Generator().manual_seed(mix(*one))
    assert (mix(*one) == mix(*other)) == (one == other)


def test_neighbouring_seeds_share_no_bits_by_design() -> None:
    differing = [bin(mix(seed, 0) ^ mix(seed + 1, 0)).count("1") for seed in range(200)]
    assert 28 < sum(differing) / len(differing) < 35  # half of 63


def test_moving_a_split_keeps_its_rows() -> None:
    split = toys.regression().val
    moved = to_device(split, torch.device("cpu"))
    assert torch.equal(moved.inputs, split.inputs)
    assert torch.equal(moved.targets, split.targets)
    assert moved.names is split.names
