"""Splits keep their rows together, know their content, and describe themselves."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import toys
from ribocyte.errors import DataError
from ribocyte.learn.splits import Info, Split, Splits, fingerprint


def test_rows_stay_together_however_they_are_chosen() -> None:
    whole = toys.regression((20, 4, 4)).train
    numbers = torch.tensor([7, 2, 2, 19])
    mask = torch.zeros(20, dtype=torch.bool)
    mask[[2, 7, 19]] = True
    for rows, expected in (
        (slice(3, 9), range(3, 9)),
        (numbers, [7, 2, 2, 19]),
        (mask, [2, 7, 19]),
        (mask.numpy(), [2, 7, 19]),
        ([5], [5]),
    ):
        part = whole[rows]
        assert part.names.tolist() == [f"row/{i}" for i in expected]
        assert torch.equal(part.inputs, torch.stack([whole.inputs[i] for i in expected]))
        assert torch.equal(part.targets, torch.stack([whole.targets[i] for i in expected]))


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 inputs, 3 targets, 2 names"):
        Split(torch.zeros(2, 1, dtype=torch.uint8), torch.zeros(3), np.array(["a", "b"]))


def test_an_empty_split_is_refused_by_name() -> None:
    splits = toys.regression()
    with pytest.raises(DataError, match=r"toys\.py: the val split is empty"):
        Splits(splits.train, splits.val[:0], splits.test, splits.info)


def test_without_its_test_a_data_set_has_no_test_row_and_keeps_its_name() -> None:
    splits = toys.regression((6, 3, 4))
    blind = splits.without_test()
    assert (len(blind.train), len(blind.val), len(blind.test)) == (6, 3, 0)
    assert blind.test.inputs.numel() == blind.test.targets.numel() == blind.test.names.size == 0
    assert blind.info == splits.info
    assert len(splits.test) == 4
    assert len(blind.without_test().test) == 0
    with pytest.raises(DataError, match="the train split is empty"):
        replace(blind, train=splits.train[:0])
    with pytest.raises(ValueError, match="blind, and 4 test rows"):
        replace(blind, test=splits.test)


def test_the_fingerprint_sees_every_kind_of_change() -> None:
    splits = toys.regression((6, 3, 3))
    train = splits.train
    renamed = Split(train.inputs, train.targets, np.array([*train.names[:-1], "other"]))
    swapped = train[torch.tensor([1, 0, 2, 3, 4, 5])]
    measured = Split(train.inputs, train.targets + torch.tensor(1e-6), train.names)
    read = Split(train.inputs ^ 1, train.targets, train.names)
    reshaped = Split(train.inputs.view(6, 1, 3), train.targets, train.names)
    prints = {
        fingerprint(part, splits.val, splits.test)
        for part in (train, renamed, swapped, measured, read, reshaped)
    }
    prints.add(fingerprint(splits.val, train, splits.test))
    assert len(prints) == 7
    assert fingerprint(train, splits.val, splits.test) == splits.info.fingerprint


def test_the_fingerprint_does_not_depend_on_memory_order() -> None:
    splits = toys.regression((6, 3, 3))
    strided = Split(splits.train.inputs.T.contiguous().T, splits.train.targets, splits.train.names)
    assert not strided.inputs.is_contiguous()
    assert fingerprint(strided, splits.val, splits.test) == splits.info.fingerprint


def test_what_data_says_of_itself_survives_json() -> None:
    info = Info("k", "s", "f", "strict", ("a", "b"), {"length": 41, "scale": [1.5, 2]}, simulated=True)
    assert Info.from_json(json.loads(json.dumps(info.as_json()))) == info
    assert replace(info, simulated=False).as_json()["simulated"] is False
