"""Plug-ins that do not fit are refused by name; an artifact adds exactly what it holds."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from smllmun_bench import catalogue, methods
from smllmun_bench.config import apply_overrides
from smllmun_bench.errors import PassedOver, UserError
from smllmun_bench.models.change import Artifact
from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.training.loop import Silent


class Point:
    """An entry point of another package."""

    value, group, dist = "guest", "methods", None

    def __init__(self, name: str, value: object = None) -> None:
        self.name, self._value = name, value

    def load(self) -> object:
        return self._value


class OnlyNamed:
    name = "half"


def test_a_method_with_parts_missing_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [Point("half", OnlyNamed())])
    with pytest.raises(UserError, match=r"'half' lacks aliases, description, fidelity, config, needs, fit"):
        methods.get("half")


def test_a_method_under_a_name_that_is_not_its_own_is_refused(monkeypatch):
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [Point("other", methods.get("ga"))])
    with pytest.raises(UserError, match=r"registered as 'other' calls itself 'ga'"):
        methods.get("other")


@pytest.mark.parametrize("points", [[Point("smfa")], [Point("new"), Point("new")]], ids=["ours", "theirs"])
def test_a_name_that_is_taken_stays_with_who_has_it(monkeypatch, points):
    monkeypatch.setattr(catalogue, "entry_points", lambda group: points)
    with pytest.warns(PassedOver, match=f"two methods are called '{points[0].name}'; that of 'guest' is left out"):
        assert methods.names().count(points[0].name) == 1
    assert methods.get("smfa").name == "smfa"


@pytest.mark.parametrize("name", methods.names())
def test_what_a_method_does_not_need_it_does_not_use(name, tiny):
    method = methods.get(name)
    config = apply_overrides(method.config(), ["training.steps=2", "training.batch_size=4"])
    needs, given = method.needs, tiny.named
    poorer = replace(
        given,
        forget=given.forget if needs.forget else (),
        retain=given.retain if needs.retain else (),
        refusals=given.refusals if needs.refusals else (),
    )
    whole, part = (method.fit(tiny.vlm, data, config, Silent()).digest() for data in (given, poorer))
    assert whole == part


@pytest.mark.parametrize("name", methods.names())
def test_a_config_survives_json(name):
    config = methods.get(name).config()
    assert type(config).model_validate_json(config.model_dump_json()) == config


def test_grad_diff_without_its_retain_term_is_ascent(tiny):
    """Same forget stream, same seed, same A: the retain stream is there, and pulls at nothing."""
    settings = ["training.steps=3", "training.batch_size=4"]
    ascent, diff = methods.get("ga"), methods.get("grad-diff")
    one = dict(ascent.fit(tiny.vlm, tiny.data, apply_overrides(ascent.config(), settings), Silent()).deltas())
    quiet = apply_overrides(diff.config(), [*settings, "retain_weight=0"])
    other = dict(diff.fit(tiny.vlm, tiny.data, quiet, Silent()).deltas())
    assert one.keys() == other.keys()
    assert all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


def _query_weight(vlm):
    return next((n, p) for n, p in vlm.model.named_parameters() if n.endswith("q_proj.weight") and "language" in n)


def test_factors_and_their_product_are_the_same_change(tiny):
    name, weight = _query_weight(tiny.vlm)
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, weight.shape[1], generator=draw), torch.randn(weight.shape[0], 2, generator=draw)
    pairs = [(Query(item.question, item.images), item.answer) for item in tiny.data.forget]
    with Artifact("lora", {f"{name}::a": a, f"{name}::b": b}).mounted(tiny.vlm):
        factors = tiny.vlm.answer_logprobs(pairs)
    with Artifact("delta", {name: b @ a}).mounted(tiny.vlm):
        assert tiny.vlm.answer_logprobs(pairs) == factors != []


def test_the_sum_is_formed_in_float32_and_cast_last(tiny):
    """1 + 2⁻⁸ + 2⁻⁹ is just above the middle of two bfloat16 numbers; adding a rounded delta would miss it."""
    vlm = load(tiny.folder, tiny.source, dtype="bfloat16")
    name, weight = _query_weight(vlm)
    with torch.no_grad():
        weight.fill_(1.0)
    with Artifact("delta", {name: torch.full(weight.shape, 2.0**-8 + 2.0**-17)}).mounted(vlm):
        assert weight.unique().tolist() == [1.0 + 2.0**-7]
    assert weight.unique().tolist() == [1.0]


def test_the_empty_artifact_changes_nothing(tiny, tmp_path):
    before = tiny.vlm.fingerprint()
    with Artifact("none").mounted(tiny.vlm):
        assert tiny.vlm.fingerprint() == before
    Artifact("none").save(tmp_path)
    assert Artifact.load(tmp_path).digest() == Artifact("none").digest()


def test_an_artifact_that_fits_in_part_changes_nothing(tiny):
    before, (name, weight) = tiny.vlm.fingerprint(), _query_weight(tiny.vlm)
    mixed = Artifact("delta", {name: torch.ones(weight.shape), "no.such.weight": torch.ones(2)})
    with pytest.raises(UserError, match=r"no\.such\.weight"), mixed.mounted(tiny.vlm):
        pytest.fail("mounted")
    assert tiny.vlm.fingerprint() == before


class Broken:
    """An entry point of somebody else's package that cannot be imported."""

    name, value, group, dist = "theirs", "theirs:METHOD", "methods", None

    def load(self) -> object:
        raise SystemExit(3)


def test_a_broken_package_costs_its_own_name_alone(monkeypatch):
    monkeypatch.setattr(catalogue, "entry_points", lambda group: [Broken()])
    assert "theirs" in methods.names()
    assert methods.get("smfa").name == "smfa"
    with pytest.raises(UserError, match=r"'theirs' of the package 'theirs:METHOD' cannot be loaded: SystemExit: 3"):
        methods.get("theirs")
    with pytest.raises(UserError, match="unknown method 'smaf'"):
        methods.get("smaf")


def test_listing_methods_with_their_settings_and_needs_imports_no_torch():
    script = (
        "import sys\n"
        "from smllmun_bench import methods\n"
        "for name in methods.names():\n"
        "    method = methods.get(name)\n"
        "    method.config().needed(method.needs)\n"
        "print([name for name in ('torch', 'transformers', 'pandas') if name in sys.modules])\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


@pytest.mark.parametrize("setting", ["radius=0", "radius=-0.1", "step=0", "steps=0", "steps=-3"])
def test_pixels_that_would_never_change_are_refused_with_the_settings(setting):
    with pytest.raises(UserError, match=setting.partition("=")[0]):
        apply_overrides(methods.get("mllmeraser").config(), ["pgd={}", f"pgd.{setting}"])
