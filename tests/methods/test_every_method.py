"""What holds for every method: a new file in `methods/` is tested before anybody writes a test for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from smllmun_bench import methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import suppresses
from smllmun_bench.models.change import SUPPRESSION, Artifact
from smllmun_bench.models.vlm import Query
from smllmun_bench.schema import Fidelity
from smllmun_bench.training.loop import Silent

every = pytest.mark.parametrize("name", methods.names())
QUICK = ("training.steps=3", "training.batch_size=4", "training.lr=0.01")


class Fits:
    """Fits each method once in a session."""

    def __init__(self, tiny: Any) -> None:
        self.tiny = tiny
        self.done: dict[str, Artifact] = {}

    def again(self, name: str, *settings: str, seed: int = 5) -> Artifact:
        method = methods.get(name)
        config = apply_overrides(method.config(), (*QUICK, *settings))
        return method.fit(self.tiny.vlm, replace(self.tiny.named, seed=seed), config, Silent())

    def of(self, name: str) -> Artifact:
        if name not in self.done:
            self.done[name] = self.again(name)
        return self.done[name]


@pytest.fixture(scope="module")
def fits(_tiny: Any) -> Fits:
    return Fits(_tiny)


@every
def test_says_what_it_is(name: str) -> None:
    method = methods.get(name)
    assert method.name == name
    assert len(method.description) > 10
    assert isinstance(method.fidelity, Fidelity)
    assert method.needs.words()
    method.config()  # every setting has a default


@every
def test_fit_leaves_the_target_alone_and_brings_an_artifact(name: str, fits: Fits) -> None:
    before = fits.tiny.vlm.fingerprint()
    artifact = fits.again(name)
    assert fits.tiny.vlm.fingerprint() == before
    assert not fits.tiny.vlm.model.training
    assert artifact.suppression is suppresses(methods.get(name))
    assert artifact.cost.forwards > 0 or artifact.kind in SUPPRESSION
    fits.done.setdefault(name, artifact)


@every
def test_same_seed_same_artifact(name: str, fits: Fits) -> None:
    assert fits.again(name).digest() == fits.of(name).digest()
    if methods.get(name).needs.gradients:  # what only measures need not depend on the seed
        assert fits.again(name, seed=6).digest() != fits.of(name).digest()


@every
def test_activations_that_are_computed_twice_change_nothing(name: str, fits: Fits) -> None:
    before, kept = fits.tiny.vlm.fingerprint(), fits.of(name)
    twice = fits.again(name, "training.gradient_checkpointing=true")
    assert fits.tiny.vlm.fingerprint() == before
    assert twice.tensors.keys() == kept.tensors.keys()
    for key, tensor in kept.tensors.items():
        torch.testing.assert_close(twice.tensors[key], tensor, rtol=0, atol=1e-5, msg=key)


TOUCHING = [  # settings under which a method reads or edits what is recomputed, or trains more than a few layers
    ("kuda", "hold_weight=1", "visual_tokens=true"),
    ("kuda", "whole_ffn=true", "mode=hard"),
    ("kuda", "training.autocast=true"),
    ("kuda", "training.l1={weight: 0.1}"),
    ("rmu", "layer=0", "updated=1"),
    ("permu", "tokens=msm"),
    ("permu", "block=0", "resample=true"),
    ("megu", "similarity=image", "noise_weight=0.9"),
    ("megu", "training.lora=null", "training.train=all"),
    ("smfa", "training.lora=null", "training.train=decoder"),
]


@pytest.mark.parametrize("settings", TOUCHING, ids=" ".join)
def test_nor_do_they_with_hooks_in_the_way(settings: tuple[str, ...], fits: Fits) -> None:
    name, *rest = settings
    kept, twice = (fits.again(name, *rest, f"training.gradient_checkpointing={wanted}") for wanted in ("false", "true"))
    assert kept.tensors.keys() == twice.tensors.keys()
    for key, tensor in kept.tensors.items():
        torch.testing.assert_close(twice.tensors[key], tensor, rtol=0, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", [name for name in methods.names() if suppresses(methods.get(name))])
def test_nor_do_they_while_a_suppression_is_mounted(name: str, fits: Fits) -> None:
    """Learning again what was suppressed: the hooks of the artifact are in the way of every training step."""
    with fits.of(name).mounted(fits.tiny.vlm):
        kept, twice = (
            fits.again("npo", f"training.gradient_checkpointing={wanted}", "training.lora=null", "training.train=all")
            for wanted in ("false", "true")
        )
    for key, tensor in kept.tensors.items():
        torch.testing.assert_close(twice.tensors[key], tensor, rtol=0, atol=1e-5, msg=key)


@every
def test_mounting_changes_the_answers_and_unmounting_everything_back(name: str, fits: Fits) -> None:
    vlm, artifact = fits.tiny.vlm, fits.of(name)
    pairs = [(Query(item.question, item.images), item.answer) for item in fits.tiny.data.forget]
    before, plain = vlm.fingerprint(), vlm.answer_logprobs(pairs)
    with artifact.mounted(vlm):
        assert vlm.answer_logprobs(pairs) != plain
    assert vlm.fingerprint() == before
    assert vlm.answer_logprobs(pairs) == plain


@every
@pytest.mark.parametrize("leaving", [KeyboardInterrupt, RuntimeError])
def test_the_model_is_itself_again_however_the_block_is_left(name: str, leaving: type, fits: Fits) -> None:
    artifact, before = fits.of(name), fits.tiny.vlm.fingerprint()
    with pytest.raises(leaving), artifact.mounted(fits.tiny.vlm):  # noqa: PT012 - the block is what is tested
        assert fits.tiny.vlm.fingerprint() != before
        raise leaving
    assert fits.tiny.vlm.fingerprint() == before


@every
def test_saved_and_loaded_it_is_the_same(name: str, fits: Fits, tmp_path: Path) -> None:
    artifact = fits.of(name).for_base("abc")
    artifact.save(tmp_path)
    again = Artifact.load(tmp_path)
    assert again.digest() == artifact.digest()
    assert (again.base, again.cost, again.figures) == ("abc", artifact.cost, artifact.figures)


@every
def test_only_linear_layers_of_the_language_model_are_changed(name: str, fits: Fits) -> None:
    changed = [parameter for parameter, _ in fits.of(name).deltas()]
    assert changed or fits.of(name).suppression
    assert all(p.startswith("model.language_model.layers.") and p.endswith("_proj.weight") for p in changed)


@every
def test_ctrl_c_while_it_trains_leaves_the_target_alone(name: str, fits: Fits) -> None:
    class Impatient:
        def step(self, done: int, total: int, figures: Any) -> None:
            raise KeyboardInterrupt

    method, before = methods.get(name), fits.tiny.vlm.fingerprint()
    with pytest.raises(KeyboardInterrupt):
        method.fit(fits.tiny.vlm, fits.tiny.named, apply_overrides(method.config(), QUICK), Impatient())
    assert fits.tiny.vlm.fingerprint() == before


def test_an_artifact_for_another_model_is_refused(tiny: Any) -> None:
    before = tiny.vlm.fingerprint()
    with pytest.raises(UserError, match="nowhere"), Artifact("delta", {"nowhere": torch.ones(1)}).mounted(tiny.vlm):
        pass
    assert tiny.vlm.fingerprint() == before


def test_a_change_of_the_wrong_shape_leaves_nothing_behind(tiny: Any) -> None:
    name, before = next(n for n, _ in tiny.vlm.model.named_parameters() if "q_proj" in n), tiny.vlm.fingerprint()
    with pytest.raises(RuntimeError), Artifact("delta", {name: torch.ones(3, 5)}).mounted(tiny.vlm):
        pass
    assert tiny.vlm.fingerprint() == before


def test_unknown_names_bring_the_nearest_and_aliases_work() -> None:
    with pytest.raises(UserError, match="'smfa'"):
        methods.get("smaf")
    assert methods.get("po").name == "idk"


def test_every_method_has_its_card_and_every_card_its_method() -> None:
    folder = Path(__file__).parents[2] / "docs" / "methods"
    cards = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md") if path.stem != "README"}
    assert sorted(cards) == sorted(methods.CATALOGUE.files())
    for name, text in cards.items():
        assert text.startswith(f"# {name}")
        assert f"fidelity: `{methods.get(name).fidelity}`" in text
        missing = [
            key for key in type(methods.get(name).config()).model_fields if f"`{key}`" not in text and key != "training"
        ]
        assert not missing
