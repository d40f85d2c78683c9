"""Ranges, symmetries, invariances, and the axioms of the aggregate."""

import math
import warnings
from fractions import Fraction

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from smllmun_bench.metrics import (
    aggregate,
    choice,
    composites,
    distribution,
    diversity,
    match,
    mia,
    probability,
    states,
)
from smllmun_bench.metrics import statistics as stats
from smllmun_bench.metrics.bleu import bleu
from smllmun_bench.metrics.language import is_language, is_repetitive
from smllmun_bench.metrics.refusal import is_refusal
from smllmun_bench.metrics.rouge import rouge_l, rouge_n
from smllmun_bench.metrics.text import bare, contains, normalise
from smllmun_bench.schema import Kind


def given(*strategies):
    """Hypothesis without a deadline: the first call may import SciPy, and the machine may be busy."""
    return lambda test: hypothesis.settings(deadline=None)(hypothesis.given(*strategies)(test))


texts = st.text(max_size=60) | st.lists(
    st.sampled_from(["a", "the", "cat", "paints", "in", "Paris", "no", "I", "don't know"])
).map(" ".join)
worded = st.lists(st.sampled_from(["cat", "dogs", "painted", "boat", "3"]), min_size=1, max_size=8).map(" ".join)
numbers = st.lists(st.floats(-10, 10), min_size=1, max_size=25)
unit = st.floats(0, 1)


@given(texts, worded)
def test_string_metrics_stay_in_range(text, reference):
    values = [*rouge_l(text, reference), *rouge_n(text, reference, 2), bleu(text, reference)]
    values += [match.exact(text, [reference]), match.key_fact(text, [reference]), states.meaningful(text)]
    values += [match.keyword_share(text, reference.split()), match.keyword_share(text, [reference], strict=False)]
    assert all(0 <= value <= 1 for value in values)


@given(worded, worded)
def test_rouge_f1_is_symmetric_and_precision_mirrors_recall(a, b):
    there, back = rouge_l(a, b, stem=True), rouge_l(b, a, stem=True)
    assert (there.precision, there.recall, there.f1) == (back.recall, back.precision, back.f1)
    assert rouge_l(a, a).f1 == 1


@given(worded)
def test_case_and_edge_punctuation_do_not_matter(text):
    assert match.exact(f" {text.upper()}! ", [text]) == 1
    assert contains(f"so: {text}.", text)
    assert match.key_fact(text, [text]) == 1


@given(st.text(max_size=40))
def test_normal_form_is_stable(text):
    assert normalise(normalise(text)) == normalise(text)
    assert bare(bare(text)) == bare(text)


@given(st.text(max_size=80))
def test_any_text_has_exactly_one_state(text):
    for kind in Kind:
        state, reason = states.answer_state(text, kind=kind, answer="yes", choices=("yes", "no"), keywords=("yes",))
        assert (state == states.State.BROKEN) == (reason is not None)
    assert isinstance(is_refusal(text), bool)
    assert states.answer_state("", kind=Kind.OPEN, answer="x").reason == states.Broken.EMPTY


@given(st.sampled_from(["US", "he is", "the man with a hat"]), st.integers(8, 60))
def test_loops_are_repetitive(phrase, times):
    assert is_repetitive(f"{phrase} " * times)
    assert states.meaningful(f"{phrase} " * times) == 0


def test_ordinary_long_text_is_neither_repetitive_nor_garbage():
    text = (
        "The picture shows a woman of about forty with long brown hair. She wears a dark green coat and stands on a "
        "bridge over a wide river. In the background there are a few boats, a church with two towers, and some trees. "
        "The light is warm, so the picture was probably taken in the evening. She looks at the camera and smiles."
    )
    assert not is_repetitive(text)
    assert is_language(text)
    assert states.meaningful(text) > 0.9


@given(st.integers(2, 6), st.data())
def test_option_scores_do_not_depend_on_a_shift(options, data):
    values = data.draw(st.lists(st.integers(-50, 0), min_size=options, max_size=options, unique=True))
    chosen = choice.choose_by_logprob([float(v) for v in values])
    assert chosen == values.index(max(values)) == choice.choose_by_logprob([v - 3.0 for v in values])
    assert choice.choose_by_logprob([float("nan"), *values]) is choice.UNPARSED


@given(numbers, numbers)
@hypothesis.example([0.0], [5e-324])
@hypothesis.example([1.0], [1.0 + 2**-50])
def test_distribution_metrics_are_symmetric_and_in_range(a, b):
    d, p = distribution.ks_two_sample(a, b)
    assert (d, p) == distribution.ks_two_sample(b, a)
    assert 0 <= d <= 1
    assert 0 < p <= 1
    js = distribution.jensen_shannon(a, b)
    assert js == pytest.approx(distribution.jensen_shannon(b, a), abs=1e-12)
    assert 0 <= js <= 1 + 1e-12
    assert distribution.jensen_shannon(a, a) == pytest.approx(0, abs=1e-12)


def _share_of_orderings(a, b):
    """D and its exact p in whole numbers: lattice paths from (0, 0) to (n, m) that touch |i·m − j·n| >= D·n·m."""
    n, m = len(a), len(b)
    steps = max(abs(sum(x <= at for x in a) * m - sum(y <= at for y in b) * n) for at in (*a, *b))
    if steps == 0:
        return 0.0, 1.0
    inside = [1] * (m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if abs(i * m - j * n) >= steps:
                inside[j] = 0
            elif j:
                inside[j] = inside[j - 1] + (inside[j] if i else 0)
    return steps / (n * m), float(Fraction(math.comb(n + m, n) - inside[m], math.comb(n + m, n)))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.lists(st.floats(-5, 5), min_size=1, max_size=30))
@hypothesis.example([1.0, 2.0], [1.0, 3.0, 4.0])
def test_ks_counts_orderings(a, b):
    d, p = distribution.ks_two_sample(a, b)
    assert (d, p) == pytest.approx(_share_of_orderings(a, b), rel=1e-9)


def test_a_tiny_p_value_is_not_rounded_to_zero():
    """400 against 400 disjoint values: two of the C(800, 400) orderings are as extreme."""
    p = distribution.ks_two_sample(range(400), range(1000, 1400)).p
    assert p == pytest.approx(2 / math.comb(800, 400), rel=1e-12)
    assert 0 < p < 1e-200


@given(numbers, numbers)
def test_auc_counts_pairs(members, others):
    pairs = [(x > y) + 0.5 * (x == y) for x in members for y in others]
    assert mia.auc(members, others) == pytest.approx(np.mean(pairs))
    assert mia.auc(members, others) + mia.auc(others, members) == pytest.approx(1)


@given(numbers, numbers, unit)
def test_true_positive_rate_keeps_the_limit(members, others, limit):
    best = max(
        [np.mean([x >= t for x in members]) for t in members if np.mean([y >= t for y in others]) <= limit], default=0
    )
    assert mia.tpr_at_fpr(members, others, limit) == pytest.approx(best)


@given(st.lists(st.floats(-30, 0), min_size=1, max_size=30))
def test_likelihood_metrics(logprobs):
    assert 0 <= probability.probability(logprobs) <= 1
    assert mia.min_k(logprobs, 1.0) == pytest.approx(-mia.loss(logprobs))
    assert mia.min_k(logprobs, 0.1) <= mia.min_k(logprobs, 0.9) + 1e-9


@pytest.mark.parametrize("bad", [[], [float("nan")], [0.5]])
def test_what_is_no_log_probability_is_refused(bad):
    with pytest.raises(ValueError, match="log-probabilities"):
        probability.probability(bad)


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_extraction_never_exceeds_exact_memorisation(right):
    assert 0 <= probability.extraction_strength(right) <= probability.exact_memorisation(right) <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.randoms())
def test_harmonic_mean_lies_between_least_and_mean(parts, chance):
    value = composites.harmonic_mean(parts)
    assert value <= np.mean(parts) + 1e-9
    assert value >= min(parts) - 1e-9
    chance.shuffle(parts)
    assert composites.harmonic_mean(parts) == pytest.approx(value)


@given(st.lists(st.sampled_from("ab"), max_size=20), st.integers(1, 4))
def test_diversity_is_a_share(tokens, n):
    assert 0 <= diversity.distinct_n(tokens, n) <= 1
    assert 0 <= diversity.longest_loop(tokens) <= 1


def test_a_constant_model_has_one_answer():
    assert diversity.same_answer_share(["It is a dog."] * 9) == 1


# The aggregate

keeps = st.lists(st.tuples(unit, st.floats(0.05, 1), st.floats(0.05, 1)), min_size=1, max_size=3)
memories = st.tuples(unit, unit).filter(lambda tg: abs(tg[0] - tg[1]) > 0.01)


def _overall(memory, parts, *, broken=0.0, **options):
    return aggregate.overall(
        [aggregate.Keep(*memory)],
        [aggregate.Keep(*part) for part in parts],
        broken_unlearned=broken,
        broken_gold=0.0,
        **options,
    )


@given(memories, keeps)
def test_gold_gets_one_and_the_untouched_target_zero(tg, parts):
    target, gold = tg
    assert _overall((gold, target, gold), [(g, t, g) for _, t, g in parts]) == pytest.approx(1)
    assert _overall((target, target, gold), [(t, t, g) for _, t, g in parts]) == pytest.approx(0, abs=1e-12)


@given(memories, keeps, unit, unit)
def test_overshoot_does_not_gain_and_nothing_beats_gold(tg, parts, below, broken):
    target, gold = tg
    past_gold = gold + (gold - target) * below
    value = _overall((past_gold, target, gold), parts, broken=broken)
    assert 0 <= value <= _overall((gold, target, gold), parts, broken=broken) + 1e-12
    assert value <= 1


@given(memories, unit, keeps, st.integers(0, 2), unit)
def test_more_kept_ability_and_fewer_broken_answers_never_lose(tg, memory, parts, which, gain):
    which %= len(parts)
    better = [(max(u, gain), t, g) if i == which else (u, t, g) for i, (u, t, g) in enumerate(parts)]
    assert _overall((memory, *tg), better) >= _overall((memory, *tg), parts) - 1e-12
    assert _overall((memory, *tg), parts) >= _overall((memory, *tg), parts, broken=gain) - 1e-12


def _two_doors(image, text, parts):
    return aggregate.overall(
        [aggregate.Keep(*image), aggregate.Keep(*text)],
        [aggregate.Keep(*part) for part in parts],
        broken_unlearned=0.0,
        broken_gold=0.0,
    )


@given(memories, memories, keeps)
def test_what_is_told_through_one_door_is_not_forgotten(image, text, parts):
    """A filter on names closes the text and leaves the image; a model that does not look, the other way round."""
    (t1, g1), (t2, g2) = image, text
    parts = [(1.0, t, g) for _, t, g in parts]
    assert _two_doors((t1, t1, g1), (g2, t2, g2), parts) == pytest.approx(0, abs=1e-9)
    assert _two_doors((g1, t1, g1), (t2, t2, g2), parts) == pytest.approx(0, abs=1e-9)


@given(memories, memories, keeps, unit, unit, unit)
def test_nearer_to_gold_through_either_door_never_loses(image, text, parts, one, other, step):
    """`one` and `other` are how far the model is from gold, as a share of the gap; `step` takes it nearer."""
    (t1, g1), (t2, g2) = image, text
    far, near, beside = g1 + one * (t1 - g1), g1 + one * step * (t1 - g1), g2 + other * (t2 - g2)
    assert (
        _two_doors((near, t1, g1), (beside, t2, g2), parts) >= _two_doors((far, t1, g1), (beside, t2, g2), parts) - 1e-9
    )


def test_an_undefined_aggregate_is_none_and_not_zero():
    part = [(0.9, 0.9, 0.9)]
    assert _overall((0.5, 0.40, 0.38), part, noise=0.05) is None
    assert _overall((0.5, 0.4, 0.4), part) is None
    assert _overall((0.5, 0.8, 0.2), [(0.5, 0.0, 0.0)]) is None


# Statistics

rows = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcd")), min_size=1, max_size=30)


@given(rows, st.randoms())
def test_macro_does_not_depend_on_the_order(data, chance):
    before = stats.macro(*zip(*data, strict=True))
    chance.shuffle(data)
    assert stats.macro(*zip(*data, strict=True)) == before


@given(rows, st.integers(0, 5))
def test_bootstrap_is_seeded_and_stays_between_the_identities(data, seed):
    values, identities = zip(*data, strict=True)
    interval = stats.bootstrap(values, identities, seed=seed, draws=50)
    assert interval == stats.bootstrap(values, identities, seed=seed, draws=50)
    means = stats.identity_means(values, identities)
    assert min(means) - 1e-9 <= interval.low <= interval.high <= max(means) + 1e-9


def test_bootstrap_covers_about_its_level():
    """The interval of the mean of 40 identities holds the truth, .5, in about 95 of 100 data sets."""
    random = np.random.default_rng(0)
    names = [str(i) for i in range(40)]
    covered = 0
    for seed in range(200):
        low, high = stats.bootstrap(random.random(40), names, seed=seed, draws=400)
        covered += low <= 0.5 <= high
    assert 180 <= covered <= 198


def test_questions_of_one_person_do_not_count_as_independent():
    values, people = [1.0] * 50 + [0.0] * 50, ["a"] * 50 + ["b"] * 50
    clustered = stats.bootstrap(values, people, seed=1)
    alone = stats.bootstrap(values, [str(i) for i in range(100)], seed=1)
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_paired_comparison():
    ours, theirs = ({str(i): [value] * 2 for i in range(10)} for value in (0.6, 0.4))
    found = stats.paired_difference(ours, theirs, seed=0)
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))
    assert found.p == pytest.approx(2 / 2**10)  # all signs equal: two of 1,024 patterns
    sampled = stats.sign_flip_p([1.0] * 30, seed=0, draws=999)
    assert sampled == pytest.approx(1 / 1000)


def test_a_pair_needs_the_same_people_and_items():
    for theirs in ({"b": [1.0]}, {"a": [1.0, 0.0]}, {}):
        with pytest.raises(ValueError, match="same identities"):
            stats.paired_difference({"a": [1.0]}, theirs)


groups = st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.tuples(unit, unit), min_size=1, max_size=4))


@given(groups.filter(bool))
def test_a_paired_difference_changes_its_sign_with_its_sides_and_nothing_else(pairs):
    ours, theirs = ({name: [pair[side] for pair in values] for name, values in pairs.items()} for side in (0, 1))
    one, other = stats.paired_difference(ours, theirs, draws=50), stats.paired_difference(theirs, ours, draws=50)
    assert one.mean == pytest.approx(-other.mean)
    assert one.p == pytest.approx(other.p)
    assert other.low == pytest.approx(-one.high, abs=1e-9)
    assert stats.paired_difference(dict(reversed(ours.items())), theirs, draws=50) == one


def test_the_paired_test_keeps_its_level_and_finds_what_the_power_note_says():
    """No difference: p ≤ .05 in about 5 of 100 data sets. The smallest detectable one: in about 80 of 100."""
    random, n, found = np.random.default_rng(5), 30, {"nothing": 0, "smallest": 0}
    effect = stats.smallest_difference(0.3, n)
    for name, shift in (("nothing", 0.0), ("smallest", effect)):
        for seed in range(200):
            theirs = {str(i): [v] for i, v in enumerate(random.random(n))}
            ours = {i: [v[0] + random.normal(shift, 0.3)] for i, v in theirs.items()}
            found[name] += stats.paired_difference(ours, theirs, seed=seed, draws=200).p <= 0.05
    assert found["nothing"] <= 22
    assert 140 <= found["smallest"] <= 180


def test_seeds_are_a_second_level():
    weights = stats.seed_weights(4, draws=500, seed=0)
    assert np.allclose(weights.sum(axis=1), 1)
    assert weights.std(axis=0) == pytest.approx(np.full(4, math.sqrt(3) / 8), abs=0.03)  # multinomial: √(¼·¾/4)


def test_bootstrap_p_is_two_sided():
    draws = np.random.default_rng(0).normal(1.96, 1, 20_000)
    assert stats.bootstrap_p(draws) == pytest.approx(0.05, abs=0.006)
    assert stats.bootstrap_p(-draws) == stats.bootstrap_p(draws)


def test_sampled_p_agrees_with_the_exact_one():
    values = np.random.default_rng(3).normal(0.3, 1, 14)
    exact = stats.sign_flip_p(values, seed=0)
    padded = stats.sign_flip_p(np.append(values, 0.0), seed=0, draws=20000)  # 15 identities are sampled; 0 adds nothing
    assert padded == pytest.approx(exact, abs=0.015)


@given(st.lists(unit, min_size=1, max_size=8))
def test_holm_is_monotone_and_never_smaller(p_values):
    adjusted = stats.holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)
    assert min(adjusted) <= min(1, len(p_values) * min(p_values)) + 1e-12


ranked = st.integers(2, 12).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 5), min_size=n, max_size=n)] * 2))


@given(ranked)
def test_kendall_is_scipys_and_does_not_care_which_side_comes_first(sides):
    from scipy.stats import kendalltau

    ours, theirs = sides
    found = stats.kendall(ours, theirs, draws=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a constant side
        expected = kendalltau(ours, theirs).statistic
    assert found.tau == pytest.approx(expected, nan_ok=True)
    assert found.tau == pytest.approx(stats.kendall(theirs, ours, draws=20).tau, nan_ok=True)


def test_the_interval_of_kendall_is_that_of_things_drawn_again():
    from scipy.stats import kendalltau

    ours, theirs = np.arange(12), np.array([1, 0, 2, 5, 4, 3, 8, 6, 7, 11, 9, 10])
    draws = np.random.default_rng(0).multinomial(12, [1 / 12] * 12, 2000)
    taus = [kendalltau(np.repeat(ours, times), np.repeat(theirs, times)).statistic for times in draws]
    found = stats.kendall(ours, theirs, draws=2000, seed=0)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(taus, [0.025, 0.975])))
    assert found.low < found.tau < found.high
    assert found.p < 0.01


def test_kendall_by_chance_is_told_by_p():
    alike = stats.kendall([1, 2, 3, 4], [1, 2, 3, 4], draws=5000)
    assert (alike.tau, alike.low, alike.high) == (1, 1, 1)
    assert alike.p == pytest.approx(2 / 24, abs=0.02)  # this order or its reverse
