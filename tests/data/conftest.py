"""Small synthetic sources, built once."""

import pytest

from smllmun_bench.data.profiles import Profile, generate
from smllmun_bench.data.rows import RowSource
from smllmun_bench.data.smllmun import smllmun_synthetic


@pytest.fixture(scope="session")
def people() -> tuple[Profile, ...]:
    return generate(60, seed=3)


@pytest.fixture(scope="session")
def source() -> RowSource:
    return smllmun_synthetic(profiles=60, seed=3, forget_percent=10)
