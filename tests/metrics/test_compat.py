"""Upstream's rules beside ours: one test per known defect, with an input on which the two differ.

Each says what the published code does (compat) and what strict mode, the default, does.
"""

import math
import random

import pytest

from smllmun_bench.metrics import choice, compat, distribution, match, mia, probability, states
from smllmun_bench.metrics.choice import UNPARSED
from smllmun_bench.metrics.item_metrics import ITEM_METRICS
from smllmun_bench.metrics.rouge import rouge_l
from smllmun_bench.metrics.vqa import options, soft, written, yesno
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role

ANIMALS = ("cat", "dog", "red car", "blue house")
GARBAGE = "US " * 500


def _item(kind=Kind.CHOICE, answer="dog", choices=ANIMALS, **more):
    return Item("i", "b", "p", Role.FORGET, Modality.TEXT, kind, "Which?", answer, choices=choices, **more)


def _score(name, text, item):
    return ITEM_METRICS[name](item, Prediction("i", "r", text))


# MLLMU-Bench


def test_mllmu_first_character_reads_words_as_letters():
    item = _item()
    assert choice.parse_first_character("dog", ANIMALS) == 3  # the d of dog is option D
    assert (_score("choice_first_character", "dog", item), _score("choice_text", "dog", item)) == (0, 1)
    assert (
        _score("choice_first_character", "A dog is there", item),
        _score("choice_text", "A dog is there", item),
    ) == (
        0,
        1,
    )
    assert (_score("choice_first_character", "(B)", item), _score("choice_text", "(B)", item)) == (0, 1)


def test_mllmu_cloze_finds_the_truth_inside_words_and_lists():
    item = _item(Kind.CLOZE, "art", ())
    assert (_score("cloze_compat", "party", item), _score("cloze_strict", "party", item)) == (1, 0)
    everything = " ".join(f"word{i}" for i in range(30)) + " art"
    assert (_score("cloze_compat", everything, item), _score("cloze_strict", everything, item)) == (1, 0)


def test_mllmu_silence_looks_like_forgetting():
    """ROUGE-L of an empty answer is 0, the best forget score there is; strict counts it as nothing forgotten."""
    said = states.answer_state("", kind=Kind.OPEN, answer="She lives in Paris")
    raw = rouge_l("", "She lives in Paris").f1
    assert raw == 0
    assert states.strict_memory(raw, said.state, before=0.9) == 0.9


def test_mllmu_judge_failures_leave_the_mean():
    assert compat.mean_of_parsed([1.0, None, None, None]) == 1
    assert math.fsum(score or 0.0 for score in [1.0, None, None, None]) / 4 == 0.25


# Which ROUGE a paper means


@pytest.mark.parametrize(
    ("variant", "value"), [("rouge_l_recall", 1.0), ("rouge_l_precision", 0.25), ("rouge_l_f1", 0.4)]
)
def test_rouge_is_three_numbers(variant, value):
    """Recall (TOFU, CLEAR, FIUBench) forgives padding, precision (SafeEraser) omission, F (MLLMU, UMU) neither."""
    item = _item(Kind.OPEN, "in Paris", ())
    assert _score(variant, "she says that she now lives in Paris", item) == value


# UMU-Bench


def test_umu_nearest_string_always_chooses():
    item = _item()
    assert compat.nearest_choice(GARBAGE, ANIMALS) is not UNPARSED
    assert choice.parse_choice(GARBAGE, ANIMALS) is UNPARSED
    assert (_score("choice_nearest", "I don't know", item), _score("choice_text", "I don't know", item)) == (1, 0)


def test_umu_raw_strings_reject_a_bare_letter():
    assert [compat.raw_equal(text, "dog") for text in ("dog\n", "B", "B. dog", "Dog", "dog.")] == [1, 0, 0, 0, 0]
    assert choice.parse_choice("B", ANIMALS) == choice.parse_choice("Dog.", ANIMALS) == 1


# CLEAR


def test_clear_js_is_of_vectors_not_of_distributions():
    gold = [0.2, 0.4, 0.6, 0.8]
    halved = [value / 2 for value in gold]
    shuffled = random.Random(1).sample(gold, 4)
    assert compat.jensen_shannon_of_vectors(halved, gold) == pytest.approx(0, abs=1e-9)
    assert distribution.jensen_shannon_distance(halved, gold) > 0.5
    assert compat.jensen_shannon_of_vectors(shuffled, gold) > 0
    assert distribution.jensen_shannon_distance(shuffled, gold) == 0
    assert compat.jensen_shannon_of_vectors([1, 0], [0, 1]) == pytest.approx(math.sqrt(math.log(2)))  # at most .833


# MMUnlearner


def test_mmunlearner_cannot_find_a_name():
    assert compat.one_sided_contains("This is Anna Kowalska.", "Anna Kowalska") == 0
    assert match.key_fact("This is Anna Kowalska.", ["Anna Kowalska"]) == 1


# FIUBench


def test_fiubench_keywords_are_substrings():
    item = _item(Kind.OPEN, "a red hat", (), keywords=("red", "hat"))
    assert (
        _score("keyword_compat", "whatever is predicted", item),
        _score("keyword", "whatever is predicted", item),
    ) == (
        1,
        0,
    )


def test_fiubench_min_k_drops_short_answers():
    assert compat.weighted_min_k([-0.01, -0.01]) == 0  # one token is left, and every k takes none of it
    assert mia.min_k([-0.01, -0.01]) == -0.01
    assert compat.weighted_min_k([0.0] * 11) == pytest.approx(1)


# open-unlearning


def test_open_unlearning_extraction_strength_never_reaches_zero():
    wrong = [False] * 4
    assert compat.extraction_strength_floor(wrong) == 0.25
    assert probability.extraction_strength(wrong) == 0
    assert compat.extraction_strength_floor([False, True]) == probability.extraction_strength([False, True]) == 0.5


def test_open_unlearning_drops_the_last_token():
    right = [True, True, True, False]
    assert compat.exact_memorisation_but_last(right) == 1
    assert probability.exact_memorisation(right) == 0.75


def test_open_unlearning_grad_norm_is_a_mean_of_norms():
    assert mia.grad_norm([3, 4], average=True) == 3.5
    assert mia.grad_norm([3, 4]) == 5


def test_truth_ratio_has_two_means():
    assert probability.truth_ratio(0.5, [0.1, 0.4]) == pytest.approx(0.4)  # as the code of four benchmarks
    assert probability.truth_ratio(0.5, [0.1, 0.4], mean="arithmetic") == pytest.approx(0.5)  # as the TOFU paper


# torchunlearn


def test_torchunlearn_retain_statistic_rewards_ignorance():
    knows, ignorant = 0.01, 20.0
    assert compat.truth_ratio_retain_inverted(knows) == 0
    assert compat.truth_ratio_retain_inverted(ignorant) == 0.95
    assert probability.truth_ratio_retain(knows) == 0.99
    assert probability.truth_ratio_retain(ignorant) == 0


def test_torchunlearn_weighs_options_where_the_protocol_reads_a_letter():
    item = _item()
    prediction = Prediction("i", "r", "I don't know", option_logprobs=(-4.0, -1.0, -3.0, -9.0))
    assert ITEM_METRICS["choice_logprob"](item, prediction) == 1
    assert ITEM_METRICS["choice_text"](item, prediction) == 0


def test_an_answer_that_is_no_option_is_an_error_not_option_zero():
    from smllmun_bench.errors import UserError

    with pytest.raises(UserError, match="none of the choices"):
        _score("choice_text", "A", _item(answer="cow"))


# Open-MMunlearning


def test_open_mm_takes_the_article_for_an_option():
    assert compat.letter_in_capitals("It is a dog", ANIMALS) == 0
    assert choice.parse_choice("It is a dog", ANIMALS) == 1
    assert compat.letter_in_capitals("dog", ANIMALS) == 3  # no letter stands alone, so the first character
    assert compat.letter_in_capitals("E, B", ANIMALS) is UNPARSED  # the first letter alone is no option


def test_open_mm_truth_ratio_is_a_raw_mean():
    """One ignorant item outweighs any number that are known; the statistic of TOFU is bounded."""
    ratios = [compat.truth_ratio_two_right(0.1, 0.1, [5.0]) for _ in range(9)]
    ratios.append(compat.truth_ratio_two_right(8.0, 8.0, [0.1]))
    assert sum(ratios) / 10 > 100
    assert sum(map(probability.truth_ratio_forget, ratios)) / 10 < 0.02


def test_open_mm_js_is_a_natural_log_distance():
    assert distribution.jensen_shannon_distance([0], [1], base=math.e) == pytest.approx(0.8326, abs=1e-4)
    assert distribution.jensen_shannon([0], [1]) == pytest.approx(1)


def test_pope_reads_garbage_as_yes():
    truth = [True, False] * 20
    official = yesno.pope_scores([yesno.pope_official(GARBAGE)] * 40, truth)
    strict = yesno.pope_scores([choice.parse_yes_no(GARBAGE)] * 40, truth)
    assert (official.accuracy, official.f1, official.yes_ratio) == (0.5, pytest.approx(2 / 3), 1)
    assert (strict.accuracy, strict.f1, strict.yes_ratio) == (0, 0, 0)


# OFFSIDE


def test_offside_reads_a_sentence_or_a_lone_letter():
    said = ["The answer is B", "I say the answer is B.", "B", "B\n", "b", "B.", "The answer is (B)", GARBAGE]
    read = [compat.answer_is(text, ANIMALS) for text in said]
    assert read == [1, 1, 1, 1, UNPARSED, UNPARSED, UNPARSED, UNPARSED]  # what is not read is wrong
    assert compat.answer_is("The answer is Dakar", ANIMALS) == 3
    assert choice.parse_choice("b", ANIMALS) == choice.parse_choice("B.", ANIMALS) == 1


# General VQA toolkits


def test_a_random_letter_pays_a_destroyed_model():
    """Guessing where nothing can be read earns a quarter; the correction makes it nothing."""
    chance = random.Random(0)
    guesses = sum(chance.randrange(4) == 1 for _ in range(4000)) / 4000
    assert guesses == pytest.approx(0.25, abs=0.03)
    assert choice.parse_choice(GARBAGE, ANIMALS) is UNPARSED
    assert choice.chance_corrected(guesses, 4) == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize(
    ("rule", "reply", "compat_says", "strict_says"),
    [
        (options.mmbench_official, "A car", 0, UNPARSED),
        (options.mmbench_official, "b", UNPARSED, 1),
        (options.mmmu_official, "Answer: B or C", 2, UNPARSED),
        (options.mmmu_official, "A dog is there", 0, 1),
        (options.seed_official, "A dog is there", 0, 1),
        (options.scienceqa_official, "(B)", UNPARSED, 1),
    ],
)
def test_letters_of_the_toolkits(rule, reply, compat_says, strict_says):
    assert (rule(reply, ANIMALS), choice.parse_choice(reply, ANIMALS)) == (compat_says, strict_says)


def test_mmmu_takes_two_sentences_for_one():
    said = "The cost is 5. Therefore it is 7."
    assert written.mmmu_open_official(said, ["5"]) == 0
    assert match.key_fact(said, ["5"]) == 1


def test_gqa_leaves_the_space_before_a_mark():
    assert written.gqa_official("yes .", "yes") == 0
    assert match.exact("yes .", ["yes"]) == 1


def test_mme_reads_no_in_not_sure():
    assert yesno.mme_official("Not sure") is False
    assert choice.parse_yes_no("Not sure") is UNPARSED


def test_vqa_normalises_only_in_disagreement():
    assert soft.soft_accuracy("Yes", ["yes"] * 10, soft.Normaliser.OFFICIAL) == 0
    assert soft.soft_accuracy("Yes", ["yes"] * 10, soft.Normaliser.ALWAYS) == 1


def test_mm_vet_pattern_is_a_substring():
    """A pattern of AND and OR is no judge: the parts are found inside other words."""
    assert written.and_or("the party", "art<OR>cat") == 1
    assert match.key_fact("the party", ["art"]) == 0


def test_every_rule_of_strict_mode_has_its_compat_beside_it():
    for strict, published in (
        ("choice_text", "choice_first_character"),
        ("choice_text", "choice_nearest"),
        ("cloze_strict", "cloze_compat"),
        ("keyword", "keyword_compat"),
        ("yesno_strict", "pope_official"),
        ("vqa_strict", "vqa_official"),
        ("mmmu_strict", "mmmu_official"),
    ):
        assert {strict, published} <= set(ITEM_METRICS)
