"""Is a YAML file what its place says it is? Tasks, models, recipes, variants and search spaces."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smllmun_bench import methods, resources, tasks
from smllmun_bench.config import apply_overrides, read_yaml
from smllmun_bench.data.registry import accepts, check_arguments, open_source
from smllmun_bench.errors import UserError
from smllmun_bench.experiments import tuning
from smllmun_bench.references import language_models
from smllmun_bench.scoring.items import check_metrics
from smllmun_bench.stages import method_recipes
from smllmun_bench.stages.model_cards import ModelCard


def known_files() -> list[Path]:
    """Every YAML file below each `tasks/` and `baselines/` that there is: shipped, brought and the user's."""
    folders = [folder for kind in ("tasks", "baselines") for folder in resources.places(kind)]
    return [path for folder in folders for path in sorted(folder.rglob("*.y*ml"))]


def kind_of(path: Path) -> str:
    """task, model, variant, space or recipe: by the folder and the name, as in `tasks/` and `baselines/`."""
    if path.parent.name == "models":
        return "model"
    if path.parent.name == "variants":
        return "variant"
    if path.name.startswith("space."):
        return "space"
    return "recipe" if path.resolve().parent.name in methods.names() else "task"


def check(path: Path) -> str:
    """The kind of the file once all in it holds. Raises UserError for what does not."""
    kind = kind_of(path)
    _CHECKS[kind](path)
    return kind


def check_all(paths: Sequence[Path]) -> tuple[list[tuple[Path, str]], list[tuple[Path, UserError]]]:
    """The good files with their kinds, and the others with what is wrong."""
    good: list[tuple[Path, str]] = []
    bad: list[tuple[Path, UserError]] = []
    for path in paths:
        try:
            good.append((path, check(path)))
        except UserError as error:
            bad.append((path, error))
    return good, bad


def _task(path: Path) -> None:
    spec = tasks.read(path)
    tasks.check_name(spec, path)
    check_metrics(spec.metrics, where=f"{path}, key 'metrics'")
    args: dict[str, object] = dict(spec.arguments)
    if spec.forgets:
        args["forget_percent"] = spec.forget_percents.default
    _source(spec.adapter.name, args, where=f"{path}, key 'adapter'")
    if spec.general is not None:
        sample = {"sample": spec.general.sample, "seed": spec.general.seed}
        _source(spec.general.adapter, sample, where=f"{path}, key 'general'")
    if spec.language is not None:
        sample = {"sample": spec.language.sample, "seed": spec.language.seed}
        _source(spec.language.adapter, sample, where=f"{path}, key 'language'")


def _source(adapter: str, args: Mapping[str, object], *, where: str) -> None:
    """Open the source; where its files are somebody else's and not named, check its arguments."""
    if accepts(adapter, "path", where=where) and "path" not in args:
        check_arguments(adapter, args, where=where)
    else:
        open_source(adapter, args, where=where)


def _model(path: Path) -> None:
    card = read_yaml(path, ModelCard)
    if card.name != path.stem:
        raise UserError(f"the model calls itself {card.name!r}", where=str(path), fix=f"name: {path.stem}")
    origins = [key for key in ("path", "pretrain", "align") if getattr(card, key) is not None]
    if len(origins) > 1:
        two = " and ".join(map(repr, origins))
        raise UserError(f"the base of a model has one origin, not {two}", where=str(path), fix=f"only one of {two}")
    if not origins and card.name != "default":
        raise UserError(
            "the model has neither a path nor a recipe", where=str(path), fix="one of path:, pretrain: and align:"
        )
    if card.align is not None:
        language_models.fetchable_folder(card.align.language, where=f"{path}, key 'align.language'")
    tasks.find(card.task)


def _recipe(path: Path) -> None:
    method_recipes.read(path, methods.get(path.resolve().parent.name, where=str(path)))


def _variant(path: Path) -> None:
    method = methods.get(path.resolve().parents[1].name, where=str(path))
    apply_overrides(method.config(), read_yaml(path, method_recipes.Variant).settings, where=str(path))


def _space(path: Path) -> None:
    method = methods.get(path.resolve().parent.name, where=str(path))
    start = method_recipes.Chosen(method.name, method, method.config(), "")
    tuning.points(tuning.read_space(path), start, where=str(path))


_CHECKS: dict[str, Callable[[Path], None]] = {
    "task": _task,
    "model": _model,
    "recipe": _recipe,
    "variant": _variant,
    "space": _space,
}
