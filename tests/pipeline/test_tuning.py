"""Points of a search space, and the refusal to choose on people that are reported."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from smllmun_bench import methods
from smllmun_bench.errors import UserError
from smllmun_bench.pipeline import recipes, tuning
from smllmun_bench.schema import Fold

SPACE = tuning.Space(grid={"training.lr": (1e-4, 1e-3), "training.steps": (10, 20, 30)})


def start() -> recipes.Chosen:
    method = methods.get("npo")
    return recipes.Chosen("npo", method, method.config(), "")


def test_every_combination_is_a_point_in_the_order_of_the_file() -> None:
    found = [(p.chosen.config.training.lr, p.chosen.config.training.steps) for p in tuning.points(SPACE, start())]
    assert found == [(1e-4, 10), (1e-4, 20), (1e-4, 30), (1e-3, 10), (1e-3, 20), (1e-3, 30)]


def test_a_budget_draws_distinct_points_by_its_seed() -> None:
    draws = [[p.settings for p in tuning.points(SPACE, start(), budget=3, seed=seed)] for seed in (0, 0, 1, 2)]
    assert draws[0] == draws[1]
    assert len({tuple(draw) for draw in draws}) > 1
    assert all(len(set(draw)) == 3 for draw in draws)


def test_an_unknown_key_names_the_file_and_the_nearest_key() -> None:
    space = tuning.Space(grid={"training.lrr": (1,)})
    with pytest.raises(UserError, match=r"unknown key 'training\.lrr'") as caught:
        tuning.points(space, start(), where="space.yaml")
    assert (caught.value.where[:10], caught.value.fix) == ("space.yaml", "'training.lr'")


def test_an_empty_list_of_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("grid: {k: []}\n")
    with pytest.raises(UserError, match="nothing to try"):
        tuning.read_space(path)


def test_the_test_fold_is_refused_before_anything_runs() -> None:
    shop = cast(Any, SimpleNamespace(fold=Fold.TEST))  # anything else of it would raise AttributeError
    with pytest.raises(UserError, match="cannot be chosen on the test fold"):
        tuning.tune(shop, tuning.points(SPACE, start()))
