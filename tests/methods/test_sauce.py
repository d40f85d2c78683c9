"""The autoencoder learns, its features tell the sets apart, and the edit is the formula; cached features stay clean."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.sauce import METHOD, SauceConfig
from smllmun_bench.methods.shared import sae
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.config import TrainingConfig
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=5", "training.batch_size=32", "expansion=2", "features=8")


def fit(tiny: Any, *settings: str, data: Any = None, vlm: Any = None) -> Any:
    config = apply_overrides(SauceConfig(), QUICK + settings)
    return METHOD.fit(vlm or tiny.vlm, data or tiny.data, config, Silent())


def weights(features: int = 6, width: int = 4) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    made = {"into": torch.randn(features, width, generator=draw), "out": torch.randn(features, width, generator=draw)}
    return made | {"into_bias": torch.randn(features, generator=draw), "centre": torch.randn(width, generator=draw)}


def test_the_autoencoder_learns_and_its_directions_have_unit_norm() -> None:
    draw = torch.Generator().manual_seed(1)
    parts = torch.randn(5, 8, generator=draw)
    points = torch.relu(torch.randn(400, 5, generator=draw)) @ parts + 3.0
    config = TrainingConfig(steps=300, lr=1e-2, batch_size=64)
    losses: list[float] = []
    found = sae.train_sae(points, 32, 1e-4, config, 0, lambda step, loss: losses.append(loss))
    rebuilt = sae.encode(points, found) @ found["out"] + found["centre"]
    assert (points - rebuilt).square().sum() < 0.05 * (points - points.mean(0)).square().sum()
    assert losses[-1] < 0.1 * losses[0]
    torch.testing.assert_close(found["out"].norm(dim=1), torch.ones(32))


def test_a_larger_penalty_makes_it_sparser() -> None:
    points = torch.randn(200, 8, generator=torch.Generator().manual_seed(1))
    config = TrainingConfig(steps=200, lr=1e-2, batch_size=64)
    active = [(sae.encode(points, sae.train_sae(points, 32, l1, config, 0)) > 0).float().mean() for l1 in (0.0, 1.0)]
    assert active[1] < 0.8 * active[0]


def test_the_geometric_median_shrugs_off_an_outlier() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1000.0, 1000.0]])
    assert (sae.geometric_median(points, 500) - 0.8).abs().max() < 0.3
    assert points.mean(0).min() > 200


def test_scores_by_hand() -> None:
    found = sae.scores(torch.tensor([3.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 3.0]), delta=0.0)
    assert found.tolist() == pytest.approx([0.75, 0.0, -0.75])


def test_factor_one_is_the_identity_and_minus_a_half_is_the_formula() -> None:
    states, made = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(2)), weights()
    same = {**made, "factor": torch.ones(6)}
    assert torch.equal(sae.edited(states, same, preserve_error=True), states)
    z = sae.encode(states, made)
    half = torch.tensor([1.0, -0.5, 1.0, 1.0, -0.5, 1.0])
    change = -1.5 * (z[..., [1, 4]] @ made["out"][[1, 4]])
    kept = {name: made[name][[1, 4]] for name in ("into", "into_bias", "out")}
    kept |= {"centre": made["centre"], "factor": torch.tensor([-0.5, -0.5])}
    torch.testing.assert_close(sae.edited(states, kept, preserve_error=True), states + change)
    whole = sae.edited(states, {**made, "factor": half}, preserve_error=False)
    torch.testing.assert_close(whole, (half * z) @ made["out"] + made["centre"])


def features(tiny: Any) -> torch.Tensor:
    found: torch.Tensor = tiny.vlm.bank.features(tiny.vlm.model, ["p1", "p6"])
    return found


@pytest.mark.parametrize("settings", [(), ("scope=last",), ("preserve_error=false",)])
def test_pictures_are_seen_otherwise_while_mounted_and_cached_features_stay(
    tiny: Any, settings: tuple[str, ...]
) -> None:
    plain, artifact = features(tiny), fit(tiny, *settings)
    told, shown = (Query("Who is Ann Number1?"), "nurse"), (Query("Who is shown?", ("p1",)), "nurse")
    before = tiny.vlm.answer_logprobs([told, shown])
    with artifact.mounted(tiny.vlm):
        edited, mounted = features(tiny), tiny.vlm.answer_logprobs([told, shown])
    assert torch.equal(features(tiny), plain)
    assert mounted[0] == before[0], "questions in words cannot be touched"
    assert mounted[1] != before[1]
    moved = (edited != plain).any(-1).view(2, -1)
    if settings == ("scope=last",):  # of one block: what is edited there is what the decoder sees
        assert moved.any()
        assert not moved[:, :-1].any()
    else:
        assert moved.all()


def test_the_chosen_features_fire_for_forget_pictures(tiny: Any) -> None:
    figures = fit(tiny, "training.steps=300", "training.lr=3e-3").figures
    assert figures["chosen_auc"] > 0.9
    assert figures["explained_variance"] > 0.8


def test_it_learns_from_a_folder_of_other_pictures(tiny: Any, tmp_path: Any) -> None:
    for number in (8, 9):
        tiny.source.image(f"p{number}").save(tmp_path / f"{number}.png")
    artifact = fit(tiny, f"images={tmp_path}")
    assert artifact.cost.forwards == 4 + 4 + 2
    assert artifact.digest() != fit(tiny).digest()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="not a picture"):
        fit(tiny, f"images={tmp_path}")


def test_what_it_cannot_work_on_is_said(tiny: Any, tmp_path: Any) -> None:
    told = replace(tiny.data, forget=[item for item in tiny.data.forget if not item.images])
    with pytest.raises(UserError, match="looked for pictures in 4 forget rows and found none"):
        fit(tiny, data=told)
    with pytest.raises(UserError, match="looked for generic pictures"):
        fit(tiny, f"images={tmp_path}")
    odd = tiny.fresh()
    del odd.model.model.vision_tower
    with pytest.raises(UserError, match=r"looked for a vision tower at model\.vision_tower of .* and found none"):
        fit(tiny, vlm=odd)
