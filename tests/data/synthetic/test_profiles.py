"""Who is made, who is like whom, and who is in which fold."""

import random
from collections import Counter
from dataclasses import astuple
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smllmun_bench.data.synthetic.profiles import FACTS, FOLDS, SMALLEST, generate, outsiders, request, share
from smllmun_bench.errors import UserError

small_seeds = st.integers(min_value=0, max_value=10_000)


def test_counts_and_domains(people):
    members = [p for p in people if p.fold != "nonmember"]
    assert len(members) == 60
    assert len(people) - len(members) == 6
    assert Counter(p.domain for p in members) == {"person": 48, "patient": 12}


def test_names_and_ids_are_unique(people):
    assert len({p.name for p in people}) == len({p.entity_id for p in people}) == len(people)


@pytest.mark.parametrize("domain", ["person", "patient"])
def test_looks_differ_in_three_traits(people, domain):
    looks = [astuple(p.traits) for p in people if p.domain == domain]
    assert min(sum(a != b for a, b in zip(x, y, strict=True)) for x, y in combinations(looks, 2)) >= 3


def test_facts_are_short_and_complete(people):
    for profile in people:
        assert tuple(profile.facts) == FACTS[profile.domain]
        assert all(1 <= len(value.split()) <= 4 for value in profile.facts.values()), profile


@settings(max_examples=15, deadline=None)
@given(count=st.integers(SMALLEST, 70), seed=small_seeds)
def test_forget_sets_are_nested_and_folds_have_somebody(count, seed):
    people = generate(count, seed)
    sets = [{p.entity_id for p in request(people, "forget", percent)} for percent in (5, 10, 15)]
    assert sets[0] <= sets[1] <= sets[2]
    assert [len(s) for s in sets] == [share(count, percent) for percent in (5, 10, 15)]
    sizes = Counter(p.fold for p in people)
    assert set(sizes) == set(FOLDS)
    assert sizes["retain_eval"] >= max(4, share(count, 10))
    assert sizes["retain_few"] >= sizes["forget"] == share(count, 15)


@pytest.mark.parametrize("percent", [5, 10, 15])
def test_a_request_holds_both_domains_in_proportion(percent):
    asked = request(generate(200, seed=0), "forget", percent)
    assert Counter(p.domain for p in asked) == {"person": 8 * percent // 5, "patient": 2 * percent // 5}


def test_evaluation_samples_are_as_mixed_as_the_request():
    people = generate(200, seed=0)
    for fold in ("retain_eval", "validation", "validation_eval"):
        assert Counter(p.domain for p in people if p.fold == fold) == {"person": 16, "patient": 4}


def test_ranks_are_given_to_the_two_pools_only(people):
    for fold in FOLDS:
        ranks = sorted(p.forget_rank for p in people if p.fold == fold and p.forget_rank is not None)
        size = sum(p.fold == fold for p in people)
        assert ranks == (list(range(size)) if fold in ("forget", "validation") else [])


def test_same_seed_same_people_other_seed_others(people):
    assert generate(60, seed=3) == people
    assert {p.name for p in generate(60, seed=4)} != {p.name for p in people}


def test_the_global_random_state_is_left_alone():
    random.seed(5)
    before = random.getstate()
    generate(SMALLEST, seed=1)
    assert random.getstate() == before


@settings(max_examples=10, deadline=None)
@given(member_seed=small_seeds, outsider_seed=small_seeds)
def test_no_outsider_has_the_name_of_a_profile(member_seed, outsider_seed):
    members = {p.name for p in generate(40, member_seed)}
    strangers = outsiders(200, outsider_seed)
    assert not members & {p.name for p in strangers}
    assert {p.fold for p in strangers} == {"outsider"}


def test_too_few_profiles_are_refused():
    with pytest.raises(UserError, match="too few") as error:
        generate(SMALLEST - 1, seed=0)
    assert str(SMALLEST) in error.value.fix
