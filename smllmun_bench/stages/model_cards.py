"""Models by name: where the base comes from and how it is made to memorise. `baselines/models/<name>.yaml`.

A card may also be named by its path, as a YAML file that lies anywhere.
"""

from pathlib import Path

from pydantic import Field

from smllmun_bench import resources
from smllmun_bench.catalogue import warn
from smllmun_bench.config import Frozen, read_yaml
from smllmun_bench.errors import UserError, unknown
from smllmun_bench.references.recipes import AlignRecipe, MemoriseRecipe, PretrainRecipe


class ModelCard(Frozen):
    """A model of the benchmark. `task` is what it is run on where no task is named.

    Its base is built (`pretrain`), joined and aligned (`align`), or lies at `path`, a folder or a hub id.
    """

    name: str
    description: str
    task: str = "smllmun-toy"
    licence: str = "unknown"
    path: str | None = None
    pretrain: PretrainRecipe | None = None
    align: AlignRecipe | None = None
    target: str | None = None  # a folder that has memorised already
    gold: str | None = None  # a folder that never saw the forget set
    memorise: MemoriseRecipe = Field(default_factory=MemoriseRecipe)


def names() -> list[str]:
    return sorted(_files())


def load(name_or_path: str, *, target: str | None = None, gold: str | None = None) -> ModelCard:
    """The card of a registered model, of a YAML file, or one made up for a folder or hub id with the default recipe."""
    files = _files()
    if name_or_path in files:
        card = _read(files[name_or_path])
    elif _is_card(name_or_path):
        card = _read(Path(name_or_path).expanduser())
    elif Path(name_or_path).expanduser().is_dir() or "/" in name_or_path:
        if not Path(name_or_path).expanduser().is_dir() and name_or_path.startswith((".", "/", "~")):
            raise UserError(f"there is no folder {name_or_path!r}", where="--model", fix="the path of a saved model")
        default = read_yaml(resources.shipped("baselines") / "models" / "default.yaml", ModelCard)
        card = default.model_copy(
            update={"name": Path(name_or_path).name, "path": name_or_path, "description": name_or_path}
        )
    else:
        raise unknown("model", name_or_path, files, where="--model")
    return card.model_copy(update={"target": target or card.target, "gold": gold or card.gold})


def called(name_or_path: str) -> str:
    """The name under which recipes and tables know the model: its card's, the last part of a folder or hub id."""
    return load(name_or_path).name if _is_card(name_or_path) else Path(name_or_path).name


def _is_card(name_or_path: str) -> bool:
    return name_or_path.endswith((".yaml", ".yml"))


def _read(path: Path) -> ModelCard:
    """The card in that file; paths in it that begin with a dot are relative to the file."""
    card = read_yaml(path, ModelCard)
    found = {key: getattr(card, key) for key in ("path", "target", "gold")}
    near = {key: str((path.parent / value).resolve()) for key, value in found.items() if value and value[0] == "."}
    return card.model_copy(update=near)


def _files() -> dict[str, Path]:
    """Name -> file; ours first. What comes under a name that is taken is left out, with a warning."""
    found: dict[str, Path] = {}
    for folder in (resources.shipped("baselines"), *resources.own("baselines"), *resources.brought("baselines")):
        for path in sorted((folder / "models").glob("*.yaml")):
            if path.stem in found:
                warn(f"two models are named {path.stem!r}: {found[path.stem]} and {path}; the second is left out")
            found.setdefault(path.stem, path)
    found.pop("default", None)
    return found
