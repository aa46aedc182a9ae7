"""Blocks in random order, and the pools that are read of them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgkit.dataset.blocks import one_block, shuffled_blocks


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 300), size=st.integers(1, 350), cut=st.integers(1, 300), seed=st.integers(0, 99))
def test_shuffled_blocks_cut_anywhere_hold_each_number_once(n: int, size: int, cut: int, seed: int) -> None:
    blocks = shuffled_blocks(n, size, np.random.default_rng(seed))
    cuts = [blocks.cut(start, min(start + cut, n)) for start in range(0, n, cut)]
    assert sorted(np.concatenate(cuts).tolist()) == list(range(n))
    assert all((np.diff(numbers) > 0).all() for numbers in cuts)
    assert (blocks.ends - blocks.starts).max() <= size


def test_shuffled_blocks_are_cut_elsewhere_each_time() -> None:
    cuts = {tuple(np.sort(shuffled_blocks(100, 30, np.random.default_rng(seed)).starts)) for seed in range(9)}
    assert len(cuts) > 5


def test_one_block_is_cut_in_order() -> None:
    assert one_block(10).cut(3, 7).tolist() == [3, 4, 5, 6]
