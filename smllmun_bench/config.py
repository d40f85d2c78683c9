"""Config files and `--set` overrides become frozen pydantic models here, or one error that lists every fault.

Knows YAML, pydantic and how to word a fault; knows no particular config.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from smllmun_bench.errors import UserError, nearest

Loc = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)
_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
}
# What the parser raises: for a month 13, a number of 5,000 digits, `%YAML 1.7` or "\\UFFFFFFFF" it is no YAMLError
NOT_YAML = (YAMLError, ValueError, LookupError, OverflowError, AssertionError, RecursionError)


class Frozen(BaseModel):
    """Base of every config: unknown keys, NaN and assignment are refused.

    Python callers may write enums as strings and tuples as lists; files and overrides are read strictly (`"7"` is no
    number, `true` is no 1).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class FileFault:
    """One thing wrong in a file: what, where (file and line, key or column), and the remedy if one is known."""

    what: str
    where: str
    fix: str = ""


def faults_error(faults: Sequence[FileFault], source: str) -> UserError:
    """One error for all faults of `source`; a single fault keeps its own place and remedy."""
    if len(faults) == 1:
        return UserError(faults[0].what, where=faults[0].where, fix=faults[0].fix)
    lines = [f"  {fault.where}: {fault.what}" + (f"; try {fault.fix}" if fault.fix else "") for fault in faults]
    return UserError("\n".join([f"{len(faults)} faults in {source}", *lines]))


def read_yaml(path: Path, model: type[M]) -> M:
    """The config in `path`, read by YAML 1.2 rules (`1e-4` is a number, `no` a word).

    Raises UserError naming every fault with file:line and key: syntax, duplicate keys, tags, aliases, unknown keys
    (with the nearest known one), values of the wrong type or outside the allowed ones.
    """
    text = _read_text(path)
    root = _compose(text, path)
    lines, faults = _survey(root, path)
    if any(fault.what.startswith(("tag ", "alias ")) for fault in faults):
        raise faults_error(faults, str(path))  # such values cannot be built, so they cannot be validated either
    try:
        config = _validate(model, _built(root, path))  # parsed once: lists read many files
    except ValidationError as error:
        faults += [
            _fault(detail, model, where=f"{path}:{_line(detail['loc'], lines)}, key {_dotted(detail['loc'])!r}")
            for detail in error.errors(include_url=False)
        ]
    if faults:
        raise faults_error(faults, str(path))
    return config


def apply_overrides(config: M, settings: Iterable[str], where: str = "--set") -> M:
    """`config` with `key=value` settings laid over it; keys are dotted (`training.lr=1e-3`), later ones win.

    A value is YAML (`[1, 2]`, `null`, `true`), except where the key takes only text: there it is taken as it stands.
    Raises UserError naming every setting that is malformed, has an unknown key, or a value of the wrong type.
    """
    settings = list(settings)
    data = config.model_dump(mode="json")
    faults: list[FileFault] = []
    written: dict[str, str] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        place = f"{where} {setting}"
        fault = (
            _key_fault(type(config), key, place) if equals else FileFault(f"{setting!r} has no '='", place, "key=value")
        )
        if fault is None:
            try:
                _put(data, key.split("."), _override_value(type(config), key, value))
            except NOT_YAML:
                fault = FileFault(f"{value!r} is not a YAML value", place)
        if fault is None:
            written[key] = place
        else:
            faults.append(fault)
    try:
        changed = _validate(type(config), data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            dotted = _dotted(detail["loc"])
            # A check across keys is reported at their parent, or at no key at all: then name all that was set there.
            culprits = [place for key, place in written.items() if f"{dotted}.".startswith(f"{key}.")]
            below = [place for key, place in written.items() if not dotted or key.startswith(f"{dotted}.")]
            faults.append(_fault(detail, type(config), where=(culprits or [", ".join(below or written.values())])[-1]))
    if faults:
        raise faults_error(faults, where)
    return changed


# --- reading -----------------------------------------------------------------------------------------------------


def _yaml() -> YAML:
    reader = YAML(typ="safe", pure=True)
    reader.allow_duplicate_keys = True  # `_survey` reports each of them; ruamel would stop at the first
    return reader


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        siblings = [other.name for other in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        raise UserError("no such file", where=str(path), fix=str(path.with_name(close)) if close else "") from None
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text (byte {error.start})", where=str(path)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None


def _compose(text: str, path: Path) -> Node:
    """The node tree of the file (it has line numbers), once it is a mapping."""
    try:
        root = _yaml().compose(text)
    except RecursionError:
        raise UserError("nested too deeply to be a config", where=str(path)) from None
    except NOT_YAML as error:
        raise _not_yaml(error, path) from None
    if root is None:
        raise UserError("the file is empty", where=str(path))
    if not isinstance(root, MappingNode):
        raise UserError("expected `key: value` lines", where=f"{path}:{root.start_mark.line + 1}")
    return root


def _built(root: Node, path: Path) -> object:
    """The values of the tree. Raises UserError for what has the look of a type, and is none of its values."""
    try:
        return _yaml().constructor.construct_document(root)
    except NOT_YAML as error:
        raise _not_yaml(error, path, next(_unbuildable(root), None)) from None


def _unbuildable(node: Node) -> Iterator[Node]:
    if isinstance(node, ScalarNode):
        try:
            _yaml().constructor.construct_object(node)
        except NOT_YAML:
            yield node
        return
    for child in node.value:
        for part in child if isinstance(node, MappingNode) else (child,):
            yield from _unbuildable(part)


def _not_yaml(error: Exception, path: Path, node: Node | None = None) -> UserError:
    """The parser's words and its place, else that of `node`."""
    words, mark = str(error), node.start_mark if node else None
    if isinstance(error, MarkedYAMLError):
        words, mark = str(error.problem or error.context), error.problem_mark or error.context_mark
    first = next(iter(words.splitlines()), type(error).__name__)
    return UserError(f"not YAML: {first}", where=f"{path}:{mark.line + 1}" if mark else str(path))


def _survey(root: Node, path: Path) -> tuple[dict[Loc, int], list[FileFault]]:
    """The line of every key and list entry, and what YAML allows but a config may not hold."""
    lines: dict[Loc, int] = {(): root.start_mark.line + 1}
    faults: list[FileFault] = []
    seen: set[int] = set()

    def visit(node: Node, loc: Loc) -> None:
        at = f"{path}:{lines[loc]}, key {_dotted(loc)!r}"  # an alias has the mark of what it stands for
        if id(node) in seen:  # composed nodes are shared by aliases only; expanding them could go on forever
            faults.append(FileFault("alias of another value", at, "write the value out"))
            return
        seen.add(id(node))
        if str(node.tag) not in _PLAIN_TAGS:
            faults.append(FileFault(f"tag {str(node.tag)!r} is not allowed in a config", at, "a plain value"))
        elif isinstance(node, SequenceNode):
            for index, child in enumerate(node.value):
                lines[(*loc, index)] = child.start_mark.line + 1
                visit(child, (*loc, index))
        elif isinstance(node, MappingNode):
            visit_mapping(node, loc)

    def visit_mapping(node: MappingNode, loc: Loc) -> None:
        for key, child in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode):
                faults.append(FileFault("tag of a key must be a plain word", f"{path}:{line}"))
                continue
            here = (*loc, str(key.value))
            if here in lines:
                what = f"duplicate key, first on line {lines[here]}"
                faults.append(FileFault(what, f"{path}:{line}, key {_dotted(here)!r}", "keep one of the two"))
            lines.setdefault(here, line)
            visit(child, here)

    visit(root, ())
    return lines, faults


def _validate(model: type[M], data: object) -> M:
    """Strict, but as JSON: there a string may name an enum and a list may fill a tuple."""
    return model.model_validate_json(json.dumps(data, default=_iso_date), strict=True)


def _iso_date(value: object) -> str:
    if isinstance(value, date):  # `2026-01-31` without quotes
        return value.isoformat()
    raise TypeError(f"no config value: {value!r}")


# --- wording -----------------------------------------------------------------------------------------------------


def _fault(detail: Any, model: type[BaseModel], *, where: str) -> FileFault:  # Any: pydantic_core.ErrorDetails
    """A pydantic error in our words."""
    loc: Loc = detail["loc"]
    kind, given = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return FileFault(f"unknown key {str(loc[-1])!r}", where, _nearest_key(model, loc))
    if kind == "missing":
        return FileFault(f"key {str(loc[-1])!r} is missing", where)
    if kind in ("enum", "literal_error"):
        expected = str(detail["ctx"]["expected"])
        close = nearest(given, re.findall(r"'([^']*)'", expected)) if isinstance(given, str) else None
        return FileFault(f"{given!r} is not one of {expected}", where, repr(close) if close else "")
    message = str(detail["msg"]).removeprefix("Value error, ")
    short = f" (found {given!r})" if isinstance(given, str | int | float | None) else ""
    return FileFault(message[:1].lower() + message[1:] + short, where)


def _dotted(loc: Loc) -> str:
    return ".".join(str(part) for part in loc if part != "[key]")


def _line(loc: Loc, lines: Mapping[Loc, int]) -> int:
    """The line of the deepest part of `loc` that stands in the file (pydantic adds names of union members)."""
    found: Loc = ()
    for part in loc:
        if (*found, part) in lines:
            found = (*found, part)
    return lines[found]


# --- what keys a model knows -------------------------------------------------------------------------------------


def _members(annotation: object) -> Iterator[object]:
    """The types that an annotation stands for, unions and `Annotated` taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _members(argument)
    else:
        yield annotation


def _models(annotation: object) -> list[type[BaseModel]]:
    return [member for member in _members(annotation) if isinstance(member, type) and issubclass(member, BaseModel)]


def _children(annotation: object, part: str | int) -> list[object]:
    """The annotations that the key `part` may have below a value of this type."""
    found: list[object] = []
    for member in _members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            field = member.model_fields.get(str(part))
            found += [field.annotation] if field else []
        elif get_origin(member) in (dict, Mapping):
            found.append(get_args(member)[1])
        elif get_origin(member) in (list, tuple, Sequence) and isinstance(part, int):
            found.append(get_args(member)[0])
    return found


def _at(model: type[BaseModel], loc: Sequence[str | int]) -> list[object]:
    """The annotations at `loc`, empty where nothing is known by that name."""
    here: list[object] = [model]
    for part in loc:
        here = [child for annotation in here for child in _children(annotation, part)]
    return here


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a model."""
    for name, field in model.model_fields.items():
        yield prefix + name
        for below in _models(field.annotation):
            yield from _all_keys(below, f"{prefix}{name}.")


def _nearest_key(model: type[BaseModel], loc: Sequence[str | int]) -> str:
    """Advice for an unknown key: the same key elsewhere, else the nearest sibling, else all siblings."""
    siblings = [name for at in _at(model, loc[:-1]) for below in _models(at) for name in below.model_fields]
    wanted = str(loc[-1])
    elsewhere = [key for key in _all_keys(model) if key.rpartition(".")[2] == wanted]
    if elsewhere:  # `lr` for `training.lr`
        return repr(elsewhere[0])
    close = nearest(wanted, siblings)
    if close:
        return repr(".".join([*map(str, loc[:-1]), close]))
    return "one of " + ", ".join(map(repr, sorted(siblings))) if siblings else repr(_dotted(tuple(loc[:-1])))


def _key_fault(model: type[BaseModel], key: str, place: str) -> FileFault | None:
    parts = key.split(".")
    for depth in range(1, len(parts) + 1):
        if not _at(model, parts[:depth]):
            return FileFault(f"unknown key {'.'.join(parts[:depth])!r}", place, _nearest_key(model, parts[:depth]))
    return None


# --- overrides ---------------------------------------------------------------------------------------------------


def _override_value(model: type[BaseModel], key: str, text: str) -> object:
    members = [member for annotation in _at(model, key.split(".")) for member in _members(annotation)]
    optional = type(None) in members
    if all(_is_text(member) for member in members if member is not type(None)) and not (optional and text == "null"):
        return text
    root = _yaml().compose(text)
    if root is None:
        return None
    if faults := _survey(root, Path("--set"))[1]:
        raise YAMLError(faults[0].what)  # a tag, an alias, a key twice: as in a file
    return _yaml().constructor.construct_document(root)


def _is_text(member: object) -> bool:
    if get_origin(member) is Literal:
        return all(isinstance(choice, str) for choice in get_args(member))
    if isinstance(member, type) and issubclass(member, Enum):
        return all(isinstance(choice.value, str) for choice in member)
    return isinstance(member, type) and issubclass(member, str | Path)


def _put(data: dict[str, Any], keys: Sequence[str], value: object) -> None:  # Any: JSON of unknown depth
    for key in keys[:-1]:
        below = data.get(key)
        if not isinstance(below, dict):  # an optional part that was not set so far
            below = data[key] = {}
        data = below
    data[keys[-1]] = value
