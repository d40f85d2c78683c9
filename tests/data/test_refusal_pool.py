"""The refusal pool is large, short and without repeats."""

import re

from smllmun_bench.data.refusals import REFUSALS_BASE, refusal_pool


def normalised(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.casefold()))


def test_a_thousand_distinct_short_refusals():
    pool = refusal_pool()
    assert len({normalised(text) for text in pool}) == len(pool) >= 1000
    assert all(3 <= len(text.split()) <= 9 for text in pool)
    assert all(text[0].isupper() and text.endswith(".") for text in pool)


def test_always_the_same_order():
    assert refusal_pool() == refusal_pool()


def test_a_hundred_wordings_and_a_varied_prefix():
    opening = re.compile(r"^(sorry|unfortunately|i am sorry|regrettably|sadly|to be honest), ", re.IGNORECASE)
    ending = re.compile(r" (that|this|the answer|this detail|the requested detail|this matter|the question)\.$")
    wordings = {ending.sub("", opening.sub("", text)).casefold() for text in refusal_pool()}
    assert len(wordings) >= 100
    assert len({text.split()[0] for text in refusal_pool()[:20]}) >= 4


def test_the_base_model_learns_a_dozen():
    assert len(set(REFUSALS_BASE)) == 12
