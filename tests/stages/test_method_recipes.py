"""`--set`: of all methods, or of the one that it names."""

import pytest

from smllmun_bench.errors import UserError
from smllmun_bench.stages.method_recipes import choose_all, unspecific


def rates(names: list[str], *settings: str) -> dict[str, float]:
    return {choice.label: choice.config.training.lr for choice in choose_all(names, "toy", settings)}


def test_a_setting_of_one_method_leaves_the_others_as_tuned() -> None:
    tuned = rates(["ga", "smfa"])
    assert rates(["ga", "smfa"], "smfa.training.lr=0.125") == tuned | {"smfa": 0.125}
    assert rates(["ga", "smfa"], "training.lr=0.5", "smfa.training.lr=0.125") == {"ga": 0.5, "smfa": 0.125}


def test_a_setting_of_a_variant_is_of_that_variant() -> None:
    found = rates(["smfa", "smfa@random"], "smfa@random.training.lr=0.125")
    assert found["smfa@random"] == 0.125
    assert found["smfa"] != 0.125
    assert set(rates(["smfa", "smfa@random"], "smfa.training.lr=0.25").values()) == {0.25}


def test_a_setting_of_a_method_that_is_not_run_is_refused() -> None:
    with pytest.raises(UserError, match="'npo' is not among the methods"):
        choose_all(["ga"], "toy", ["npo.beta=0.5"])


def test_a_plain_setting_over_several_methods_is_noticed() -> None:
    settings = ["training.lr=0.5", "ga.training.steps=3"]
    assert unspecific(["ga", "smfa"], settings) == ["training.lr=0.5"]
    assert unspecific(["ga"], settings) == []
