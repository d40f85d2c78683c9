"""Questions to token ids. The chat template of the model's own folder is the only source of a prompt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from smllmun_bench.errors import UserError
from smllmun_bench.models.placeholder_images import for_prompts, placeholder

if TYPE_CHECKING:
    from PIL import Image
    from transformers import ProcessorMixin


@dataclass(frozen=True, slots=True)
class Encoded:
    """One question, with or without an answer, as token ids.

    `ids` holds the prompt and, if there is one, the answer with its EOS; `answer_start` is the index of the first
    answer token (= len(ids) without an answer); image placeholders are expanded to one token per image feature.
    """

    ids: tuple[int, ...]
    answer_start: int
    images: tuple[str, ...]

    @property
    def answer_length(self) -> int:
        return len(self.ids) - self.answer_start


@dataclass(frozen=True, slots=True)
class _Written:
    """What stands in a prompt for each of some images, every run of placeholders as one; `runs` are their lengths."""

    texts: tuple[str, ...]
    runs: tuple[int, ...]


class Encoder:
    """Renders and tokenises; remembers what it has seen, since a run asks the same questions of many models.

    How many placeholder tokens an image becomes depends on its size alone, so one pixel that knows that size stands
    in for the image here (`placeholder_images`), and pixels are prepared elsewhere, once per image.
    """

    def __init__(
        self,
        processor: "ProcessorMixin",
        stop_ids: frozenset[int],
        eos_id: int,
        *,
        placeholders: tuple[str, ...] = ("<image>",),
        prompt: Literal["chat", "suffix"] = "chat",
    ) -> None:
        if prompt == "chat" and not getattr(processor, "chat_template", None):
            raise UserError(
                "the model's processor has no chat template, so its prompts are unknown",
                fix="add a chat_template.jinja to the model folder; a base model has none, its instruct version does",
            )
        self._processor = for_prompts(processor)
        self._prompt = prompt
        self._stop_ids = stop_ids
        self._eos_id = eos_id
        self._seen: dict[tuple[str, str | None, tuple[tuple[int, int], ...]], tuple[tuple[int, ...], int]] = {}
        video = getattr(processor, "video_token", None)  # a processor refuses one without a video
        self._placeholders = (*placeholders, *([video] if isinstance(video, str) else []))
        self._special = _pattern({*self._placeholders, *_special_tokens(processor.tokenizer, stop_ids)})
        self._unit = placeholders[-1]  # the one that is repeated in a prompt, as often as an image has features
        self._written: dict[tuple[tuple[int, int], ...], _Written | None] = {}
        self._by_text: dict[tuple[int, bool], bool] = {}  # whether `_short` gave the processor's ids

    def encode(
        self,
        question: str,
        answer: str | None,
        images: tuple[str, ...],
        sizes: tuple[tuple[int, int], ...],
        prefill: str = "",
    ) -> Encoded:
        """Token ids of a question (and answer) about `images` with the given (width, height) in pixels.

        With `prefill` the prompt ends in the beginning of an answer; what is generated or scored goes on from there.
        """
        if prefill:
            return self._begun(question, answer, images, sizes, prefill)
        key = (question, answer, sizes)
        if key not in self._seen:
            self._seen[key] = self._render(question, answer, sizes)
        ids, start = self._seen[key]
        return Encoded(ids, start, images)

    def _begun(
        self,
        question: str,
        answer: str | None,
        images: tuple[str, ...],
        sizes: tuple[tuple[int, int], ...],
        prefill: str,
    ) -> Encoded:
        begun = self.encode(question, prefill, images, sizes)
        open_ended = begun.ids[:-1]  # without the end of the answer: it goes on
        if answer is None:
            return Encoded(open_ended, len(open_ended), images)
        whole = self.encode(question, f"{prefill} {answer}", images, sizes)
        return Encoded(whole.ids, _common_prefix(list(open_ended), list(whole.ids)), images)

    def _render(
        self, question: str, answer: str | None, sizes: tuple[tuple[int, int], ...]
    ) -> tuple[tuple[int, ...], int]:
        if answer is None:
            prompt = self._tokens(question, None, sizes)
            return tuple(prompt), len(prompt)
        prompt = list(self.encode(question, None, (), sizes).ids)
        whole = self._tokens(question, answer, sizes)
        start = _common_prefix(prompt, whole)
        tail = whole[start:]
        end = next((i for i, token in enumerate(tail) if token in self._stop_ids), None)
        if end is not None:
            self._check_whole(answer, tail[:end], tail[end + 1 :])
            tail = tail[: end + 1]
        else:  # a template that leaves the end of turn to the trainer
            while tail and not self._decode([tail[-1]]).strip():
                tail = tail[:-1]
            tail = [*tail, self._eos_id]
        return (*whole[:start], *tail), start

    def _check_whole(self, answer: str, kept: list[int], left: list[int]) -> None:
        """Raise UserError where a stop token that cannot be spelled apart (a line end, say) would cut the answer."""
        if not self._decode(left).strip():
            return
        rest = self._decode(kept)
        said, wanted = "".join(rest.split()), "".join(answer.split())
        if wanted.startswith(said) and said != wanted:
            raise UserError(
                f"the answer {answer!r} holds a stop token of the model, which would cut it after {rest!r}",
                fix="answers without it, or another eos_token_id in the model's generation_config.json",
            )

    def unexpanded(self, question: str, sizes: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
        """The prompt as the chat template writes it: one placeholder for each image, whatever its size."""
        messages = [
            {"role": "user", "content": _content(self._as_text(question), [placeholder(size) for size in sizes])}
        ]
        text = self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return tuple(self._ids(text))

    def _tokens(self, question: str, answer: str | None, sizes: tuple[tuple[int, int], ...]) -> list[int]:
        pictures = [placeholder(size) for size in sizes]
        question, answer = self._as_text(question), None if answer is None else self._as_text(answer)
        if self._prompt == "suffix":
            return self._joined(question, answer, pictures)
        messages: list[dict[str, Any]] = [{"role": "user", "content": _content(question, pictures)}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        kind = (len(sizes), answer is None)
        short = self._short(messages, sizes) if self._by_text.get(kind, True) else None
        if short is not None and kind in self._by_text:
            return short
        batch = self._processor.apply_chat_template(
            messages, add_generation_prompt=answer is None, tokenize=True, return_dict=True
        )
        ids = list(batch["input_ids"])
        ids = list(ids[0]) if ids and isinstance(ids[0], list) else ids
        self._by_text.setdefault(kind, short == ids)
        return ids

    def _short(self, messages: list[dict[str, Any]], sizes: tuple[tuple[int, int], ...]) -> list[int] | None:
        """What the processor does, less what it checks and merges each time, which takes it twice as long.

        Used where the first question of its kind had the same ids in both ways; None if images cannot be written so.
        """
        if sizes not in self._written:
            self._written[sizes] = self._write(sizes)
        written = self._written[sizes]
        if written is None:
            return None
        text = self._processor.apply_chat_template(
            messages, add_generation_prompt=messages[-1]["role"] == "user", tokenize=False
        )
        if sizes:
            between = text.split(self._processor.image_token)
            if len(between) != len(written.texts) + 1:
                return None
            text = "".join(part for pair in zip(between, [*written.texts, ""], strict=True) for part in pair)
        return self._unfolded(self._ids(text), written.runs)

    def _ids(self, text: str) -> list[int]:
        """As `apply_chat_template` does: no second BOS where the template writes one."""
        tokenizer = self._processor.tokenizer
        begun = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
        return list(tokenizer(text, add_special_tokens=not begun)["input_ids"])

    def _unfolded(self, ids: list[int], runs: Sequence[int]) -> list[int] | None:
        """Each token that stands for a run of itself is repeated; None if there are not as many as runs."""
        unit = self._processor.tokenizer.convert_tokens_to_ids(self._unit)
        if ids.count(unit) != len(runs):
            return None
        whole: list[int] = []
        at = 0
        for run in runs:
            place = ids.index(unit, at)
            whole += ids[at:place]
            whole += [unit] * run
            at = place + 1
        return whole + ids[at:]

    def _write(self, sizes: tuple[tuple[int, int], ...]) -> "_Written | None":
        """What the processor writes into a prompt for each of the images; None where it does not tell."""
        if not sizes:
            return _Written((), ())
        made = self._processor(
            images=[[placeholder(size) for size in sizes]],
            text=[self._processor.image_token * len(sizes)],
            return_text_replacement_offsets=True,
        )
        told = made.get("text_replacement_offsets")
        if not told or len(told[0]) != len(sizes):
            return None
        texts = [part["replacement"] for part in told[0]]
        run = re.compile(f"(?:{re.escape(self._unit)})+")
        lengths = tuple(len(found) // len(self._unit) for text in texts for found in run.findall(text))
        return _Written(tuple(run.sub(self._unit, text) for text in texts), lengths)

    def _joined(self, question: str, answer: str | None, images: list["Image.Image"]) -> list[int]:
        """The tokens of a processor that joins question and answer by itself (PaliGemma), which wants an image."""
        tokenizer = self._processor.tokenizer
        if not images:
            text = [tokenizer.bos_token + question + "\n"]
            suffix = None if answer is None else [answer + tokenizer.eos_token]
            return list(tokenizer(text, text_pair=suffix, add_special_tokens=False)["input_ids"][0])
        text = [self._placeholders[0] * len(images) + question]
        more = {} if answer is None else {"suffix": [answer]}
        return list(self._processor(images=[images], text=text, **more)["input_ids"][0])

    def _as_text(self, text: str) -> str:
        """Special tokens that somebody wrote are spelled apart: `<image>` would be counted as one more picture, a stop
        token would end the answer before its end, and a sign of a turn begin another."""
        return self._special.sub(lambda token: f"{token[0][:1]} {token[0][1:]}", text)

    def _decode(self, ids: list[int]) -> str:
        return str(self._processor.tokenizer.decode(ids, skip_special_tokens=True))


def _special_tokens(tokenizer: Any, stop_ids: frozenset[int]) -> set[str]:
    """What a tokenizer takes out of a text as one token with a meaning of its own, and the stop tokens."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    stops = {token for token in tokenizer.convert_ids_to_tokens(sorted(stop_ids)) if isinstance(token, str)}
    return (
        added | set(tokenizer.all_special_tokens) | {token for token in stops if token in tokenizer.get_added_vocab()}
    )


def _pattern(tokens: set[str]) -> re.Pattern[str]:
    """Any of the tokens, the longest first; a single sign cannot be spelled apart."""
    longest = sorted((token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token))
    return re.compile("|".join(map(re.escape, longest)) or r"(?!)")


def _content(question: str, pictures: "Sequence[Image.Image]") -> list[dict[str, Any]]:
    return [*({"type": "image", "image": picture} for picture in pictures), {"type": "text", "text": question}]


def _common_prefix(first: list[int], second: list[int]) -> int:
    if second[: len(first)] == first:
        return len(first)
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
