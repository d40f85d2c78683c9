"""Does a model work here? Every call that a run makes, tried on a handful of invented questions."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from smllmun_bench import methods
from smllmun_bench.errors import UserError
from smllmun_bench.methods.base import UnlearningData, check_needs
from smllmun_bench.schema import Item, Kind, Modality, Role

if TYPE_CHECKING:
    from PIL import Image

    from smllmun_bench.models.vlm import Vlm

METHODS = ("ga", "npo", "smfa")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing tried. `required`: without it no run can be trusted."""

    name: str
    state: Literal["works", "fails", "skipped"]
    detail: str
    required: bool = True


class _Pictures:
    """References `p0` to `p9`: coloured noise in two shapes."""

    def image(self, ref: str) -> "Image.Image":
        import numpy as np
        from PIL import Image

        number = int(ref.removeprefix("p"))
        shape = ((96, 160, 3), (140, 90, 3))[number % 2]
        return Image.fromarray(np.random.default_rng(number).integers(0, 255, shape, dtype=np.uint8))


class _Failed(Exception):
    """A check that ended without an error and still does not hold."""


def check_model(
    path: str, *, device: str = "cpu", dtype: str = "float32", device_map: str | None = None, quick: bool = False
) -> Iterator[Check]:
    """Try the model at `path`, yielding each check as it is done; ends early when nothing can be loaded.

    Raises UserError, before anything is loaded, if the model lacks what the methods that are tried need.
    `quick` leaves out what needs a second copy of the weights: training whole weights, and saving.
    """
    from smllmun_bench.models.devices import check_device, check_device_map
    from smllmun_bench.models.folder import is_quantised
    from smllmun_bench.models.loading import load
    from smllmun_bench.models.pretrained import check_folder

    check_device(device)
    check_device_map(device_map)
    if Path(path).expanduser().is_dir():
        check_folder(Path(path).expanduser())
    chosen = [(method, method.config()) for method in map(methods.get, METHODS)]
    check_needs(chosen, lambda needs: _data(), trainable=not is_quantised(path), where=path)
    loaded: list[Vlm] = []

    def loads() -> str:
        vlm = load(path, _Pictures(), device=device, dtype=dtype, device_map=device_map)
        loaded.append(vlm)
        count = sum(parameter.numel() for parameter in vlm.model.parameters())
        return f"{vlm.family.name}, {count:,} parameters"

    yield _try("loads", loads)
    if not loaded:
        return
    vlm = loaded[0]
    tolerance = 1e-4 if dtype == "float32" else 0.1  # half precision rounds by the shape of a batch
    yield _try("prompts and answer spans", lambda: _spans(vlm))
    yield _try("answers in batches", lambda: _generation(vlm, exact=dtype == "float32"))
    yield _try("log-probabilities in batches", lambda: _teacher_forced(vlm, tolerance))
    yield _try("options of a choice", lambda: _options(vlm, tolerance))
    for name in METHODS:
        yield _try(f"one step of {name}, LoRA", lambda name=name: _step(vlm, name, "lora"))  # type: ignore[misc]
    for name in METHODS:
        what = f"one step of {name}, whole weights"
        yield (
            Check(what, "skipped", "--quick", required=False)
            if quick
            else _try(what, lambda name=name: _step(vlm, name, "decoder"), required=False)  # type: ignore[misc]
        )
    yield (
        Check("saved and loaded again", "skipped", "--quick", required=False)
        if quick
        else _try("saved and loaded again", lambda: _saving(vlm, device, dtype, device_map), required=False)
    )


def _try(name: str, work: Callable[[], str], *, required: bool = True) -> Check:
    try:
        return Check(name, "works", work(), required)
    except (UserError, _Failed) as error:
        return Check(name, "fails", str(error), required)
    except Exception as error:  # noqa: BLE001  # whatever a strange model raises is the answer that was asked for
        first = (str(error).strip() or "no message").splitlines()[0]
        return Check(name, "fails", f"{type(error).__name__}: {first}", required)


def _pairs() -> list[tuple[Any, str]]:
    from smllmun_bench.models.vlm import Query

    return [
        (Query("Who is shown here?", ("p1",)), "a nurse"),
        (Query("What is the job of the person in this picture, and where?", ("p1",)), "pilot in Oslo"),
        (Query("Who?", ("p2",)), "Zoë, 34"),
        (Query("What is the job of Ann Miller?"), "I do not know."),
    ]


def _spans(vlm: "Vlm") -> str:
    for query, answer in _pairs():
        prompt, whole = vlm.encode(query), vlm.encode(query, answer)
        span = whole.ids[whole.answer_start :]
        decoded = vlm.processor.tokenizer.decode(span, skip_special_tokens=True).strip()
        if decoded != answer:
            raise _Failed(f"the answer {answer!r} became {decoded!r}: the chat template changes answers")
        if span[-1] not in vlm.stop_ids:
            raise _Failed(f"the answer ends in token {span[-1]}, which does not stop generation {sorted(vlm.stop_ids)}")
        if vlm.image_token in span:
            raise _Failed("image tokens are part of the answer")
        if prompt.ids != whole.ids[: whole.answer_start]:
            raise _Failed("the prompt with an answer does not begin with the prompt alone: does it end in a space?")
    room = f", {vlm.positions} positions" if vlm.positions is not None else ""
    return f"images of {sum(token == vlm.image_token for token in vlm.encode(_pairs()[0][0]).ids)} tokens{room}"


def _generation(vlm: "Vlm", *, exact: bool) -> str:
    queries = [query for query, _ in _pairs()]
    together = vlm.generate(queries, max_new_tokens=8)
    alone = [vlm.generate([query], max_new_tokens=8)[0] for query in queries]
    same = sum(one == other for one, other in zip(together, alone, strict=True))
    if exact and same < len(queries):
        raise _Failed(f"{len(queries) - same} of {len(queries)} answers differ from those given one by one")
    return f"{same} of {len(queries)} as one by one"


def _teacher_forced(vlm: "Vlm", tolerance: float) -> str:
    return _close(vlm, _pairs(), tolerance)


def _options(vlm: "Vlm", tolerance: float) -> str:
    from smllmun_bench.models.vlm import Query

    query = Query("What is the job? A. baker B. pilot C. nurse D. judge", ("p1",))
    return _close(vlm, [(query, letter) for letter in "ABCD"], tolerance)


def _close(vlm: "Vlm", pairs: Sequence[tuple[Any, str]], tolerance: float) -> str:
    together = vlm.answer_logprobs(pairs)
    alone = [vlm.answer_logprobs([pair])[0] for pair in pairs]
    apart = max(abs(a - b) for row, other in zip(together, alone, strict=True) for a, b in zip(row, other, strict=True))
    if not apart <= tolerance:  # NaN is not close either
        raise _Failed(f"together and alone differ by {apart:.2g} nats a token, {tolerance:g} are allowed")
    return f"within {apart:.0e} nats a token"


def _items(numbers: range, role: Role) -> list[Item]:
    items: list[Item] = []
    for number in numbers:
        common: dict[str, Any] = {"benchmark": "check", "role": role, "kind": Kind.OPEN, "entity_id": f"p{number}"}
        common["answer"] = ("baker", "pilot", "nurse", "judge")[number % 4]
        items += [
            Item(
                f"p{number}/seen", modality=Modality.IMAGE_TEXT, question="Who is it?", images=(f"p{number}",), **common
            ),
            Item(f"p{number}/told", modality=Modality.TEXT, question=f"Who is number {number}?", **common),
        ]
    return items


def _data() -> UnlearningData:
    return UnlearningData(_items(range(2), Role.FORGET), _items(range(2, 4), Role.RETAIN), ("I do not know.",))


def _step(vlm: "Vlm", name: str, weights: Literal["lora", "decoder"]) -> str:
    from smllmun_bench.models.memory import explained
    from smllmun_bench.training.loop import Silent

    method = methods.get(name)
    training: dict[str, Any] = {"steps": 1, "batch_size": 2, "lr": 1e-3, "text_share": 0.5}
    training |= {"lora": {"rank": 4, "alpha": 4}} if weights == "lora" else {"lora": None, "train": "decoder"}
    before = vlm.answer_logprobs(_pairs())
    with explained(f"a step of {name}"):
        artifact = method.fit(vlm, _data(), method.config.model_validate({"training": training}), Silent())
        with artifact.mounted(vlm):
            changed = vlm.answer_logprobs(_pairs())
    if changed == before:
        raise _Failed("the step changed nothing that the model says")
    if vlm.answer_logprobs(_pairs()) != before:
        raise _Failed("the model is not as it was before the step")
    return f"{artifact.cost.trainable_params:,} weights trained, and taken back"


def _saving(vlm: "Vlm", device: str, dtype: str, device_map: str | None) -> str:
    from smllmun_bench.models.folder import save
    from smllmun_bench.models.loading import load

    queries = [query for query, _ in _pairs()]
    texts = vlm.generate(queries, max_new_tokens=8)
    with tempfile.TemporaryDirectory() as folder:
        save(vlm.model, vlm.processor, Path(folder))
        again = load(folder, _Pictures(), device=device, dtype=dtype, device_map=device_map)
        if again.generate(queries, max_new_tokens=8) != texts:
            raise _Failed("the saved model gives other answers")
    return "the same answers"
