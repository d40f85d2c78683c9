"""What single methods promise beyond what all do."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from smllmun_bench import methods
from smllmun_bench.config import Frozen, apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import UnlearningData
from smllmun_bench.models.change import Artifact
from smllmun_bench.training.loop import Silent

QUICK = ("training.steps=4", "training.batch_size=4", "training.lr=0.01")


class Heard:
    """A progress that keeps what it hears."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    def step(self, done: int, total: int, figures: Any) -> None:
        self.steps.append(dict(figures))


class Shelf:
    """A `reuse` hook that keeps artifacts, and counts what had to be made."""

    def __init__(self) -> None:
        self.kept: dict[str, Artifact] = {}
        self.made = 0

    def __call__(self, name: str, inputs: Frozen, make: Callable[[], Artifact]) -> Artifact:
        key = f"{name} {inputs.model_dump_json()}"
        if key not in self.kept:
            self.kept[key] = make()
            self.made += 1
        return self.kept[key]


def fit(tiny: Any, name: str, *settings: str, data: UnlearningData | None = None, progress: Any = None) -> Artifact:
    method = methods.get(name)
    return method.fit(
        tiny.vlm, data or tiny.data, apply_overrides(method.config(), QUICK + settings), progress or Silent()
    )


def dense(artifact: Artifact) -> dict[str, torch.Tensor]:
    return dict(artifact.deltas())


# -- smfa --------------------------------------------------------------------------------------------------------------


def test_shared_start_correlates_the_adapters_and_separate_starts_do_not(tiny: Any) -> None:
    """Rank r in n columns: AᵀA and A'ᵀA' alone correlate by r/(r + n), so rank 1 of 32 keeps that to 0.03."""
    shared, apart = (
        fit(tiny, "smfa", 'training.lora={"rank": 1, "alpha": 1}', f"shared_init={way}").figures
        for way in ("true", "false")
    )
    assert shared["correlation"] > 0.2
    assert abs(apart["correlation"]) < 0.1
    assert shared["conflict_rate"] < apart["conflict_rate"]


def test_shared_start_is_one_matrix_a(tiny: Any) -> None:
    """One Adam step of a factor B that begins at zero leaves A where it began."""
    shelf = Shelf()
    fit(tiny, "smfa", "training.steps=1", data=replace(tiny.data, reuse=shelf))
    forget, anchor = (artifact.tensors for artifact in shelf.kept.values())
    names = [name for name in forget if name.endswith("::a")]
    assert names
    assert all(torch.equal(forget[name], anchor[name]) for name in names)


def test_a_sweep_of_k_trains_two_adapters_once(tiny: Any) -> None:
    shelf = Shelf()
    data = replace(tiny.data, reuse=shelf)
    swept = {k: fit(tiny, "smfa", f"k={k}", data=data) for k in (0, 1, 5)}
    fit(tiny, "smfa", "mask=ties", data=data)
    assert shelf.made == 2
    masked = [swept[k].figures["masked"] for k in (0, 1, 5)]
    assert masked == sorted(masked, reverse=True)
    assert masked[0] > masked[2]


def test_without_a_mask_smfa_is_idk(tiny: Any) -> None:
    """Same streams in the same places, seed and start: the two differ in the mask alone."""
    unmasked, idk = dense(fit(tiny, "smfa", "mask=none")), dense(fit(tiny, "idk"))
    assert unmasked.keys() == idk.keys()
    for name, delta in idk.items():
        torch.testing.assert_close(unmasked[name], delta, rtol=0, atol=1e-7)


def test_k_without_end_masks_nothing(tiny: Any) -> None:
    shelf = Shelf()
    data = replace(tiny.data, reuse=shelf)
    assert fit(tiny, "smfa", "k=1000000000", data=data).digest() == fit(tiny, "smfa", "mask=none", data=data).digest()


@pytest.mark.parametrize(("combine", "factor"), [("sum", 1.0), ("mean", 0.5)])
def test_split_adds_or_averages_an_image_and_a_text_adapter(tiny: Any, combine: str, factor: float) -> None:
    shelf = Shelf()
    data = replace(tiny.data, reuse=shelf)
    both = dense(fit(tiny, "smfa", "layout=split", "mask=none", f"combine={combine}", data=data))
    assert shelf.made == 3
    parts = [dense(artifact) for key, artifact in shelf.kept.items() if '"part":"anchor"' not in key]
    for name, delta in both.items():
        torch.testing.assert_close(delta, factor * (parts[0][name] + parts[1][name]))


def test_split_without_text_rows_is_one_readable_error(tiny: Any) -> None:
    images_only = replace(tiny.data, forget=[item for item in tiny.data.forget if item.images])
    with pytest.raises(UserError, match="text"):
        fit(tiny, "smfa", "layout=split", data=images_only)


def test_an_anchor_that_trains_fewer_layers_is_one_readable_error(tiny: Any) -> None:
    with pytest.raises(UserError, match="anchor"):
        fit(tiny, "smfa", 'anchor_training={"train": "attention", "steps": 1}')


@pytest.mark.parametrize("setting", ["share=1.5", "share=-0.1"])
def test_a_share_is_a_share(setting: str) -> None:
    with pytest.raises(UserError, match="share"):
        apply_overrides(methods.get("smfa").config(), (setting,))


def test_dare_cannot_drop_everything() -> None:
    with pytest.raises(UserError, match="dare"):
        apply_overrides(methods.get("smfa").config(), ("mask=dare", "share=1.0"))


# -- npo ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retain", "terms"), [("ce", {"forget", "retain"}), ("kl", {"forget", "retain"}), ("none", {"forget"})]
)
def test_npo_starts_at_two_ln2_over_beta(tiny: Any, retain: str, terms: set[str]) -> None:
    """θ = θ0 on the first step, so the forget term is (2/β)·ln 2 for any data, and the KL term is 0."""
    heard = Heard()
    artifact = fit(tiny, "npo", f"retain={retain}", progress=heard)
    assert set(heard.steps[0]) == terms
    assert heard.steps[0]["forget"] == pytest.approx(13.862944, abs=1e-4)
    assert heard.steps[-1]["forget"] < heard.steps[0]["forget"]
    if retain == "kl":
        assert heard.steps[0]["retain"] == pytest.approx(0, abs=1e-5)
        assert heard.steps[-1]["retain"] > 1e-6
    known = 12 + (12 if retain == "kl" else 0)  # 4 people: 4 rows with an image, asked in two wordings, and 4 without
    assert artifact.cost.forwards == known + artifact.cost.backwards


# -- ga, idk -----------------------------------------------------------------------------------------------------------


def test_ascent_makes_the_answers_less_likely(tiny: Any) -> None:
    heard = Heard()
    fit(tiny, "ga", "training.steps=8", progress=heard)
    assert heard.steps[-1]["forget"] < heard.steps[0]["forget"] - 0.3


def test_the_weight_of_the_retain_term_counts(tiny: Any) -> None:
    none, heavy = Heard(), Heard()
    fit(tiny, "grad-diff", "retain_weight=0", progress=none)
    fit(tiny, "grad-diff", "retain_weight=10", progress=heavy)
    assert (none.steps[0]["retain"], heavy.steps[0]["retain"] > 10) == (0, True)
