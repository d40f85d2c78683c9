"""Attacks are found like methods: by listing the folder, by entry point, by family."""

import pytest

from smllmun_bench import attacks
from smllmun_bench.attacks.base import AttackConfig, AttackNeeds, Elicitation, Family, Probe, WeightAttack
from smllmun_bench.errors import UserError


@pytest.mark.parametrize("name", attacks.names())
def test_every_attack_keeps_the_contract(name: str) -> None:
    attack = attacks.get(name)
    assert attack.family in Family
    assert issubclass(attack.config, AttackConfig)
    assert isinstance(attack.needs, AttackNeeds)
    assert attack.config() == attack.config.model_validate({})  # every setting has a default
    assert sum(isinstance(attack, kind) for kind in (Elicitation, WeightAttack, Probe)) == 1


def test_attacks_are_chosen_by_name_family_and_all() -> None:
    everything = [attack.name for attack in attacks.choose(["all"])]
    assert everything == attacks.names()
    by_family = [attack.name for family in Family for attack in attacks.choose([family.value])]
    assert sorted(by_family) == everything
    assert [attack.name for attack in attacks.choose(["quantise", "weights"])].count("quantise") == 1


def test_an_unknown_attack_brings_the_nearest() -> None:
    with pytest.raises(UserError, match=r"(?s)unknown attack 'relern'.*relearn"):
        attacks.choose(["relern"])
