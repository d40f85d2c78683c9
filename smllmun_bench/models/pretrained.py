"""The one door through which `transformers` reads a model's folder: configs, tokenizers, processors and weights.

Weights are safetensors, code that comes with a model is never run (nor is anybody asked whether it should), and nothing
outside the folder is read. What a library raises about a folder becomes one error that names it.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smllmun_bench.data.confined import contained, relative
from smllmun_bench.errors import UserError

_READ = ("*.json", "*.jinja", "*.txt", "*.model", "*.safetensors", "*/*.jinja")  # what transformers looks at
_ADAPTER = "adapter_config.json"
_PACKED = ("quantization_config", "compression_config")


def read(kind: Any, where: str | Path, **options: Any) -> Any:
    """`kind.from_pretrained(where, **options)` of a folder, or of a hub id that is in the local cache.

    Raises:
        UserError: the folder wants code of its own to be run, leads outside, or cannot be read as `kind`.
    """
    where = str(where)
    if "gguf_file" not in options:  # that is a file; what lies beside it is not the model's
        _check_any(where)
    try:
        return kind.from_pretrained(where, trust_remote_code=False, **options)
    except Exception as error:  # what is raised depends on the folder; tokenizers raises Exception itself
        from smllmun_bench.models.memory import is_shortage

        if isinstance(error, UserError) or is_shortage(error):
            raise
        raise unreadable(error, where) from error


def read_weights(kind: Any, where: str | Path, **options: Any) -> Any:
    """`read` of a model, from safetensors. Raises UserError also for weights that the folder does not hold, which
    would be drawn at random."""
    model, seen = read(kind, where, use_safetensors=True, output_loading_info=True, **options)
    if missing := sorted(seen["missing_keys"]):
        raise UserError(
            f"{len(missing)} weights are missing, {missing[0]!r} is one", where=str(where), fix="the whole model"
        )
    return model


def find(where: str | Path, name: str) -> Path | None:
    """A file of a folder, or of a hub id that is in the local cache; None if it has no such file."""
    from transformers.utils import cached_file

    found = cached_file(
        str(where),
        name,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    return None if found is None else Path(found)


def unreadable(error: Exception, where: str) -> UserError:
    """What a library said of a model's folder or hub id, as one error."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, KeyError | AttributeError | TypeError | IndexError):  # their words alone say little
        first = f"{type(error).__name__}: {first}"
    return UserError(
        f"cannot load the model: {first}",
        where=where,
        fix="a folder that save_pretrained wrote"
        if Path(where).is_dir()
        else "--online to fetch it from the hub once, or the path of a saved model",
    )


# --- what a folder may say ---------------------------------------------------------------------------------------


def _check_any(where: str) -> None:
    if Path(where).is_dir():
        check_folder(Path(where))
        return
    try:
        config = find(where, "config.json")
    except (OSError, ValueError):  # no hub id, not in the cache: whoever loads it says so
        return
    if config is not None:
        check_folder(config.parent)


def check_folder(folder: Path) -> None:
    """Refuse a model's folder that would have code run, or files read that are not its own.

    Raises:
        UserError: naming file and key.
    """
    for path in (path for pattern in _READ for path in sorted(folder.glob(pattern))):
        contained(path, folder)
    for path in sorted(folder.glob("*config*.json")):
        for key, name, value in _entries(_json(path)):
            _check_entry(path, key, name, value)
    for path in sorted(folder.glob("*.index.json")):
        _check_index(path)
    if (folder / _ADAPTER).is_file():
        raise UserError(
            "these are adapters, which would be put on a model that lies elsewhere",
            where=str(folder / _ADAPTER),
            fix="merge them into their model (peft's merge_and_unload) and save that",
        )


def _check_entry(path: Path, key: str, name: str, value: object) -> None:
    where = f"{path}, key {key!r}"
    if name == "auto_map" and value:
        raise UserError(
            "the model brings code of its own, which is not run",
            where=where,
            fix="delete the key, if transformers has this kind of model itself; else another model",
        )
    if name.endswith(("attn_implementation", "experts_implementation")) and "/" in str(value):
        raise UserError(f"the model asks for code of {value!r}, which is not run", where=where, fix="delete the key")
    if name == "transformers_weights" and isinstance(value, str):
        _check_shard(value, path, where)
    if name in _PACKED and path.name == "config.json" and value is not None:
        _check_packed(value, where)


def _check_packed(value: object, where: str) -> None:
    """How weights are packed: what transformers does not know it would pass over, and take the numbers as they are."""
    from transformers.quantizers.auto import AUTO_QUANTIZATION_CONFIG_MAPPING as KNOWN

    how = value.get("quant_method") if isinstance(value, dict) else None
    bits = isinstance(value, dict) and (value.get("load_in_4bit") is True or value.get("load_in_8bit") is True)
    if not bits and (not isinstance(how, str) or how not in KNOWN):
        said = repr(how) if isinstance(value, dict) else repr(value)[:40]
        raise UserError(
            f"the weights are quantised in a way that is not known: {said}",
            where=where,
            fix="the original weights; or delete the key, if they are not quantised",
        )


def _check_index(path: Path) -> None:
    """An index says in which file of the folder each weight lies."""
    index = _json(path)
    shards = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise UserError("no index of weights", where=f"{path}, key 'weight_map'", fix="names of weights and of files")
    for weight, name in shards.items():
        _check_shard(name, path, f"{path}, key 'weight_map.{weight}'")
    if not path.name.endswith(".safetensors.index.json"):
        return
    for weight, name in shards.items():
        if not name.endswith(".safetensors"):
            where = f"{path}, key 'weight_map.{weight}'"
            raise UserError(f"{name!r} is no safetensors file", where=where, fix="save the model anew as safetensors")


def _check_shard(name: str, path: Path, where: str) -> None:
    contained(path.parent / relative(name, where=where, what="file of weights"), path.parent, where=where)


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except RecursionError:
        raise UserError("nested too deeply to be JSON of a model", where=str(path), fix="another folder") from None
    except ValueError as error:
        raise UserError(f"not JSON: {error}", where=str(path), fix="a folder that save_pretrained wrote") from None


def _entries(value: object, above: str = "") -> Iterator[tuple[str, str, object]]:
    """Every key of an object and what is below it: dotted, bare, and its value."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in below:
        key = f"{above}.{name}" if above else str(name)
        yield key, str(name), inner
        yield from _entries(inner, key)
