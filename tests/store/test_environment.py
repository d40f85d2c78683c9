"""What a stage is said to have cost is its own."""

import platform
import sys

import pytest

from smllmun_bench.store.environment import peak_memory_mb, reset_peak_memory


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="other allocators")
def test_memory_that_an_earlier_stage_let_go_is_not_counted_for_the_next_one() -> None:
    reset_peak_memory()
    before = peak_memory_mb()
    blocks = [b"x" * 100_000 for _ in range(4000)]  # too small to be mapped one by one
    last = b"y" * 100_000  # above them on the heap, so that nothing below it goes back by itself
    assert peak_memory_mb() > before + 300
    del blocks
    reset_peak_memory()
    assert peak_memory_mb() < before + 100
    assert len(last) == 100_000
