"""Points of a search space, and the refusal to choose on people that are reported."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from smllmun_bench import methods, resources
from smllmun_bench.errors import UserError
from smllmun_bench.experiments import tuning, validation
from smllmun_bench.schema import Fold
from smllmun_bench.stages import method_recipes

SPACE = tuning.Space(grid={"training.lr": (1e-4, 1e-3), "training.steps": (10, 20, 30)})


def start() -> method_recipes.Chosen:
    method = methods.get("npo")
    return method_recipes.Chosen("npo", method, method.config(), "")


def test_every_combination_is_a_point_in_the_order_of_the_file() -> None:
    found = [(p.chosen.config.training.lr, p.chosen.config.training.steps) for p in tuning.points(SPACE, start())]
    assert found == [(1e-4, 10), (1e-4, 20), (1e-4, 30), (1e-3, 10), (1e-3, 20), (1e-3, 30)]


def test_words_are_values_like_numbers() -> None:
    space = tuning.Space(grid={"retain": ("ce", "kl"), "training.lora": (None,)})
    found = [
        (p.settings[0], p.chosen.config.retain, p.chosen.config.training.lora) for p in tuning.points(space, start())
    ]
    assert found == [("retain=ce", "ce", None), ("retain=kl", "kl", None)]


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


def test_a_model_may_have_a_space_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "places", lambda kind: [tmp_path])
    (tmp_path / "npo").mkdir()
    own = tmp_path / "npo" / "space.small.yaml"
    own.write_text("grid: {training.lr: [1.0e-4]}\n")
    (tmp_path / "npo" / "space.yaml").write_text("grid: {training.lr: [1.0e-3]}\n")
    assert tuning.space_path("npo", "small") == own
    assert tuning.space_path("npo", "toy") == tmp_path / "npo" / "space.yaml"
    assert validation.kind_of(own) == "space"


def test_the_test_fold_is_refused_before_anything_runs() -> None:
    context = cast(Any, SimpleNamespace(fold=Fold.TEST))  # anything else of it would raise AttributeError
    with pytest.raises(UserError, match="cannot be chosen on the test fold"):
        tuning.tune(context, tuning.points(SPACE, start()))


def test_an_override_is_stamped_on_the_recipe_and_every_row(tmp_path: Path) -> None:
    tuning.check_fold(Fold.TEST, allow_test=True)
    with pytest.raises(UserError, match="cannot be chosen on the test fold") as caught:
        tuning.check_fold(Fold.TEST, allow_test=False)
    assert "--allow-test-selection" in caught.value.fix
    method = methods.get("npo")
    for fold in ("test", "validation"):
        method_recipes.write(tmp_path / "toy.yaml", method, "toy", "tune", method.config(), selected_on=fold)
        assert method_recipes.read(tmp_path / "toy.yaml", method)[2] == fold


def test_settings_by_hand_say_so_and_do_not_wash_the_stamp_off(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand = method_recipes.choose("npo", "no-such-model", ("training.steps=2",))
    assert by_hand.selected_on == "by hand"
    config = methods.get("npo").config()
    monkeypatch.setattr(method_recipes, "_recipe", lambda method, model: (config, "tune", "test"))
    assert method_recipes.choose("npo", "toy").selected_on == "test"
    assert method_recipes.choose("npo", "toy", ("training.steps=2",)).selected_on == "test"
