"""Derived values of section 3 of the benchmark notes, each typed beside its derivation."""

import math
import zlib

import numpy as np
import pytest

from smllmun_bench.metrics import (
    aggregate,
    choice,
    composites,
    distribution,
    diversity,
    match,
    mia,
    pairs,
    probability,
)
from smllmun_bench.metrics.bleu import bleu
from smllmun_bench.metrics.rouge import rouge_l, rouge_n
from smllmun_bench.metrics.vqa.yesno import pope_scores

LN2 = math.log(2)


def test_rouge_l():
    assert rouge_l("a b c d", "a c d e") == pytest.approx((0.75, 0.75, 0.75))  # common a c d of 4 and 4
    assert rouge_l("he paints", "he painted boats", stem=True) == pytest.approx((1, 2 / 3, 0.8))
    assert rouge_l("he paints", "he painted boats") == pytest.approx((0.5, 1 / 3, 0.4))


def test_rouge_n():
    # a b c d against a c d e: three words in common of four and four; of the pairs ab bc cd and ac cd de one
    assert rouge_n("a b c d", "a c d e", 1) == pytest.approx((0.75, 0.75, 0.75))
    assert rouge_n("a b c d", "a c d e", 2) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert rouge_n("a a a", "a", 1) == pytest.approx((1 / 3, 1, 0.5))  # counted as often as the reference has it
    assert rouge_n("he paints", "he painted boats", 1, stem=True) == pytest.approx((1, 2 / 3, 0.8))


def test_masked_perplexity():
    # one token of log p −1 and one of the concept, as if drawn from 100 words
    assert probability.masked_perplexity([-1, -9], [False, True], 100) == pytest.approx(
        math.exp((1 + math.log(100)) / 2)
    )
    assert probability.masked_perplexity([-LN2] * 3, [False] * 3, 7) == pytest.approx(2)


def test_diversity():
    assert diversity.distinct_n(["a", "b", "a", "b", "a", "b"], 2) == pytest.approx(2 / 5)
    assert diversity.repeated_share(["a"] * 4, 1) == 0.75
    assert diversity.unique_words(["a red hat", "a blue hat"]) == 4
    assert diversity.same_answer_share(["Paris", "paris.", "Rome", "Oslo"]) == 0.5


def test_yes_ratio():
    # TP 40, FP 10, TN 30, FN 20
    said, truth = [True] * 50 + [False] * 50, [True] * 40 + [False] * 40 + [True] * 20
    found = pope_scores(said, truth)
    wanted = (0.70, 0.80, 2 / 3, 8 / 11, 0.50)
    assert (found.accuracy, found.precision, found.recall, found.f1, found.yes_ratio) == pytest.approx(wanted)


def test_bleu():
    assert bleu("a b c d", "a c d e") == pytest.approx((0.75 * (1 / 3) * 0.05 * 0.1) ** 0.25)
    assert bleu("", "a c d e") == 0


def test_cloze():
    assert match.cloze_strict("paris.", "Paris") == match.cloze_compat("paris.", "Paris") == 1
    assert (match.cloze_compat("party", "art"), match.cloze_strict("party", "art")) == (1, 0)
    everything = "Rome Oslo Bern Kyiv Riga " * 4 + "Paris"  # 21 words
    assert (match.cloze_compat(everything, "Paris"), match.cloze_strict(everything, "Paris")) == (1, 0)


@pytest.mark.parametrize(("text", "phrase"), [("it costs $50.", "$50"), ("C++, Java", "C++")])
def test_signs_count_at_token_boundaries(text, phrase):
    assert match.cloze_strict(text, phrase) == 1


def test_choice_and_chance():
    assert choice.chance_corrected(0.40, 4) == pytest.approx(0.20)


def test_probability():
    assert probability.probability([-LN2, -LN2]) == pytest.approx(0.5)
    items = [[math.log(0.9)], [math.log(0.1)]]
    assert np.mean([probability.probability(item) for item in items]) == pytest.approx(0.5)
    assert probability.probability([x for item in items for x in item]) == pytest.approx(0.3)  # pooled is not it


def test_truth_ratio():
    r = probability.truth_ratio(0.5, [0.1])
    assert r == pytest.approx(0.2)
    assert probability.truth_ratio_forget(r) == pytest.approx(0.2)
    assert probability.truth_ratio_retain(r) == pytest.approx(0.8)
    assert probability.truth_share(0.5, [0.1]) == pytest.approx(0.5 / 0.6)
    assert probability.truth_ratio(0.5, [0.1, 0.4]) == pytest.approx(0.4)
    assert probability.truth_ratio(0.5, [0.1, 0.4], mean="arithmetic") == pytest.approx(0.5)


def test_forget_quality():
    assert distribution.ks_two_sample([1, 2, 3], [1, 2, 3]) == (0, 1)
    assert distribution.ks_two_sample([1, 2, 3, 4], [5, 6, 7, 8]) == pytest.approx((1, 2 / 70))
    assert distribution.ks_two_sample([1, 2, 3, 4], [3, 4, 5, 6]) == pytest.approx((0.5, 0.771), abs=5e-4)


def test_jensen_shannon():
    js, distance = distribution.jensen_shannon, distribution.jensen_shannon_distance
    assert js([0, 1], [0, 1]) == 0
    assert js([0], [1]) == pytest.approx(1)
    assert distance([0], [1], base=math.e) == pytest.approx(math.sqrt(LN2))  # .833
    assert js([0, 1], [0, 0]) == pytest.approx(0.311, abs=5e-4)
    assert distance([0, 1], [0, 0]) == pytest.approx(0.558, abs=5e-4)
    assert distance([0, 1], [0, 0], base=math.e) == pytest.approx(0.465, abs=6e-4)
    assert distribution.concept_distance([0.5], [0.25]) == pytest.approx(-0.5 * LN2)  # -.347


def test_utility():
    assert composites.model_utility([0.5, 1]) == pytest.approx(2 / 3)
    assert composites.model_utility([0, 1]) == 0


def test_memorisation():
    assert probability.extraction_strength([False] * 2 + [True] * 0 + [False] + [True] * 7) == 0.7
    assert probability.extraction_strength([True] * 9 + [False]) == 0  # upstream gives 1/n
    assert probability.extraction_strength([]) is None
    assert probability.exact_memorisation([True, True, True, False]) == 0.75


def test_membership():
    assert mia.auc([1, 2, 3], [1, 2, 3]) == 0.5
    assert mia.auc([0.9, 0.4], [0.5, 0.4]) == 0.625  # wins 2, lost 1, tie 1 of 4
    falling = [-1, -2, -3, -4, -5]
    assert (mia.min_k(falling), mia.min_k(falling, 0.4)) == (-5, -4.5)
    assert mia.min_k([-2.0]) == -2  # short answers keep one token
    mu, sigma = mia.logprob_moments(np.log([0.8, 0.2]))
    both = [mia.min_k_plus_plus([math.log(p)], [mu], [sigma]) for p in (0.8, 0.2)]
    assert both == pytest.approx([0.5, -2])
    assert (mia.privleak(0.5, 0.5), mia.privleak(0.9, 0.5)) == pytest.approx((0, -80))
    assert mia.tpr_at_fpr([0.9, 0.8, 0.1], [0.85, 0.2], 0.1) == pytest.approx(1 / 3)
    many = [i / 100 for i in range(100)]
    assert mia.membership([0.985, 0.895, -1], many) == pytest.approx((189 / 300, 1 / 3, 2 / 3))  # above 99, 90 and 0
    assert mia.loss([-LN2, -3 * LN2]) == pytest.approx(2 * LN2)
    assert mia.zlib_ratio([-LN2], "abc") == LN2 / len(zlib.compress(b"abc"))
    assert mia.reference_difference([-1, -2], [-2, -4]) == -1.5
    assert (mia.grad_norm([3, 4]), mia.grad_norm([3, 4], average=True)) == (5, 3.5)


def test_umu_pairs():
    facts = [(False, False), (True, False), (True, True), (False, False)]
    assert (pairs.acc_f(facts), pairs.acc_r(facts)) == (0.5, 0.25)
    assert [(pairs.rl_f(*ab), pairs.rl_r(*ab)) for ab in ((1, 0), (0.5, 0.5), (0, 0))] == [(1, 0), (0.5, 0.5), (0, 0)]


def test_keywords():
    assert match.keyword_share("a red hat", ["red", "scarf"]) == 0.5


def test_paper_composites():
    assert composites.overall_understanding(7.02, 7.33) == pytest.approx(7.175, abs=1e-12)
    assert composites.overall_understanding(6.31, 6.84) == pytest.approx(6.575, abs=1e-12)
    assert f"{composites.overall_understanding(7.02, 7.33):.2f}" == "7.17"  # as the paper prints the double
    assert composites.overall_memory([(0, 1.83), (0, 2.77)]) == pytest.approx(2.30)


def test_aggregate():
    assert aggregate.closeness(0.35, 0.8, 0.2) == pytest.approx(0.75)
    assert aggregate.combine(0.75, [0.9, 0.8, 1], 1) == pytest.approx(0.852, abs=5e-4)
    assert aggregate.combine(0.75, [0.9, 0.8, 1], aggregate.sanity(0.08, 0.03)) == pytest.approx(0.809, abs=5e-4)


OPTIONS = ("cat", "dog", "red car", "blue house")
UNPARSED = choice.UNPARSED


@pytest.mark.parametrize(
    ("reply", "strict", "first"),
    [
        ("B", 1, 1),
        ("(B)", 1, UNPARSED),
        ("B.", 1, 1),
        ("B) text", 1, 1),
        ("The answer is B", 1, UNPARSED),
        ("b", 1, 1),
        ("Answer: B or C", UNPARSED, 0),
        ("A dog is there", 1, 0),
        ("A boat is there", UNPARSED, 0),
        ("A cat", 0, 0),
        ("A car", UNPARSED, 0),
        ("red car", 2, UNPARSED),
        ("dog", 1, 3),
        ("a cat and a dog", UNPARSED, 0),
        ("", UNPARSED, UNPARSED),
        ("I don't know", UNPARSED, UNPARSED),
        ("US " * 500, UNPARSED, UNPARSED),
    ],
)
def test_choice_ladders(reply, strict, first):
    """Appendix A's edge strings under the strict ladder and under MLLMU's first character."""
    assert choice.parse_choice(reply, OPTIONS) == strict
    assert choice.parse_first_character(reply, OPTIONS) == first
