"""Hyperparameters: `baselines/<method>/<model>.yaml`, and variants that change a few of them.

`baselines/` stands for every folder of `resources.places`: the user's own go before what ships.

`smfa@random` is the recipe of `smfa` for the model with `baselines/smfa/variants/random.yaml` laid over it.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError, create_model

from smllmun_bench import methods, resources
from smllmun_bench.config import Frozen, apply_overrides, read_yaml
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.methods.base import Method, MethodConfig
from smllmun_bench.results.manifest import RunManifest

SelectedOn = Literal["", "validation", "test", "by hand", "untuned"]
"""Whose scores chose the settings. Nothing: nobody's here, as for published values. `test` taints a row. `untuned`:
there is no recipe for the model, so the settings are those of another one or the method's own defaults."""


class _Recipe(Frozen):
    method: str
    model: str
    source: str  # where the numbers come from: a paper, or the command that chose them
    selected_on: SelectedOn = ""


class Variant(Frozen):
    """A few settings of a method under a name of their own, as `key=value`."""

    description: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method with its settings, ready to run. `label` is what tables call it."""

    label: str
    method: Method[Any]
    config: MethodConfig
    source: str
    selected_on: SelectedOn = ""


def choose(name: str, model: str, settings: tuple[str, ...] = ()) -> Chosen:
    """The method `name` (or `name@variant`) with its recipe for `model` and `--set` on top.

    Without a recipe for this model, `default.yaml` of the method holds the published values, and without that its
    own defaults do. Raises UserError for unknown names, keys and values.
    """
    plain, at, variant = name.partition("@")
    if at and not variant:
        raise UserError(
            f"{name!r} names no variant", where="--method", fix=f"{plain}, or {plain}@ and a variant's name"
        )
    method = methods.get(plain, where="--method")
    config, source, selected_on = _recipe(method, model)
    if variant:
        config = apply_overrides(config, _variant(method.name, variant).settings, where=f"variant {variant!r}")
    config = apply_overrides(config, settings)
    if settings and selected_on != "test":  # what is chosen by hand on top does not take that stamp away
        selected_on = "by hand"
    return Chosen(f"{method.name}@{variant}" if variant else method.name, method, config, source, selected_on)


def choose_all(names: Sequence[str], model: str, settings: Sequence[str] = ()) -> list[Chosen]:
    """`choose` for several methods. A setting `METHOD.key=value` (or `METHOD@variant.key=value`) is of that one alone.

    Raises UserError as `choose`, and where a setting names a method that is not among them.
    """
    owners = [(_owner(setting, names), setting) for setting in settings]
    asked = {_called(name): name for name in names} | {_called(name).partition("@")[0]: name for name in names}
    for owner, setting in owners:
        if owner and _called(owner) not in asked:
            raise UserError(f"{owner!r} is not among the methods", where=f"--set {setting}", fix=f"--method {owner}")

    def of(name: str) -> tuple[str, ...]:
        label = _called(name)
        mine = ("", label, label.partition("@")[0])
        return tuple(
            setting.removeprefix(f"{owner}.") for owner, setting in owners if (_called(owner) if owner else "") in mine
        )

    return [choose(name, model, of(name)) for name in names]


def unspecific(names: Sequence[str], settings: Sequence[str]) -> list[str]:
    """The settings that change several methods, each with a recipe of its own, without saying which."""
    return [setting for setting in settings if not _owner(setting, names)] if len(set(names)) > 1 else []


def _owner(setting: str, names: Sequence[str]) -> str:
    """`smfa` of `smfa.training.lr=1e-3`; nothing where the key is of the settings themselves."""
    first, dot, _ = setting.partition("=")[0].partition(".")
    return first if dot and (first in names or first.partition("@")[0] in methods.names()) else ""


def _called(name: str) -> str:
    """The label that a row of this method has."""
    plain, at, variant = name.partition("@")
    return methods.get(plain, where="--method").name + at + variant


def of_run(manifest: RunManifest) -> Chosen:
    """The method and settings of a run that is on disk, whatever recipes say by now. Raises UserError."""
    plain, _, _ = manifest.label.partition("@")
    method = methods.get(plain, where=f"run {manifest.run_id}")
    try:
        config = method.config.model_validate(manifest.config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"its settings are not those of {plain!r} any more: {first['msg']}",
            where=f"run {manifest.run_id}, key 'config.{key}'",
            fix="the run once more",
        ) from None
    return Chosen(manifest.label, method, config, manifest.recipe_source)


def variants(method: str) -> list[str]:
    return sorted(_variants(method))


def find(method: str, name: str) -> Path | None:
    """The file `name` of a method in the first place that has it."""
    return next((path for place in resources.places("baselines") if (path := place / method / name).is_file()), None)


def place_for(method: str, model: str, folder: Path | None = None) -> Path:
    """Where a recipe that was tuned here is written: below `folder`, else in the first included folder, else in the
    user's own. Never in an installed package; in a checkout, recipes of our own methods go into the repository."""
    within = [] if folder is None else [folder]
    within += resources.included()
    if not within and resources.in_checkout() and method in methods.CATALOGUE.files():
        within = [resources.shipped("baselines").parent]
    return next(iter([*within, resources.user_folder()])) / "baselines" / method / f"{model}.yaml"


def write(
    path: Path, method: Method[Any], model: str, source: str, config: MethodConfig, selected_on: SelectedOn = ""
) -> None:
    """Save a recipe, only what differs from the method's defaults."""
    from ruamel.yaml import YAML

    from smllmun_bench.store.atomic import atomic_write

    body: dict[str, object] = {"method": method.name, "model": model, "source": source}
    body |= {"selected_on": selected_on} if selected_on else {}
    body |= {"config": config.model_dump(mode="json", exclude_defaults=True)}
    text = io.StringIO()
    YAML(typ="rt").dump(body, text)
    atomic_write(path, text.getvalue())


def read(path: Path, method: Method[Any]) -> tuple[MethodConfig, str, SelectedOn]:
    """The settings in a recipe file, where they come from, and whose scores chose them.

    Raises UserError for every fault of the file.
    """
    shape = create_model("Recipe", __base__=_Recipe, config=(method.config, method.config()))
    recipe: Any = read_yaml(path, shape)
    if recipe.method != method.name:
        raise UserError(f"the recipe is for {recipe.method!r}", where=str(path), fix=f"method: {method.name}")
    return recipe.config, recipe.source, recipe.selected_on


def _recipe(method: Method[Any], model: str) -> tuple[MethodConfig, str, SelectedOn]:
    found = find(method.name, f"{model}.yaml")
    if found is not None:
        return read(found, method)
    published = find(method.name, "default.yaml")
    if published is not None:
        config, source, _ = read(published, method)
        return config, source, "untuned"
    return method.config(), "the method's own defaults", "untuned"


def _variant(method: str, name: str) -> Variant:
    known = _variants(method)
    if name not in known:
        raise unknown(f"variant of {method}", name, known, where="--method")
    return read_yaml(known[name], Variant)


def _variants(method: str) -> dict[str, Path]:
    """Name -> file; of two files with one name the first place's."""
    places = reversed(resources.places("baselines"))
    return {path.stem: path for place in places for path in (place / method / "variants").glob("*.yaml")}
