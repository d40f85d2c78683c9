"""Questions to token ids. The chat template of the model's own folder is the only source of a prompt."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from smllmun_bench.errors import UserError
from smllmun_bench.models.standins import for_prompts, stand_in

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


class Encoder:
    """Renders and tokenises; remembers what it has seen, since a run asks the same questions of many models.

    How many placeholder tokens an image becomes depends on its size alone, so one pixel that knows that size stands
    in for the image here (`standins`), and pixels are prepared elsewhere, once per image.
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
        self._placeholders = placeholders

    def encode(
        self, question: str, answer: str | None, images: tuple[str, ...], sizes: tuple[tuple[int, int], ...]
    ) -> Encoded:
        """Token ids of a question (and answer) about `images` with the given (width, height) in pixels."""
        key = (question, answer, sizes)
        if key not in self._seen:
            self._seen[key] = self._render(question, answer, sizes)
        ids, start = self._seen[key]
        return Encoded(ids, start, images)

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
            tail = tail[: end + 1]
        else:  # a template that leaves the end of turn to the trainer
            while tail and not self._decode([tail[-1]]).strip():
                tail = tail[:-1]
            tail = [*tail, self._eos_id]
        return (*whole[:start], *tail), start

    def _tokens(self, question: str, answer: str | None, sizes: tuple[tuple[int, int], ...]) -> list[int]:
        pictures = [stand_in(size) for size in sizes]
        question, answer = self._as_text(question), None if answer is None else self._as_text(answer)
        if self._prompt == "suffix":
            return self._joined(question, answer, pictures)
        content: list[dict[str, Any]] = [{"type": "image", "image": picture} for picture in pictures]
        content.append({"type": "text", "text": question})
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if answer is not None:
            messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        batch = self._processor.apply_chat_template(
            messages, add_generation_prompt=answer is None, tokenize=True, return_dict=True
        )
        ids = batch["input_ids"]
        return list(ids[0]) if ids and isinstance(ids[0], list) else list(ids)

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
        """An image placeholder that somebody wrote would be counted as one more picture; it is spelled apart."""
        for token in self._placeholders:
            text = text.replace(token, f"{token[:1]} {token[1:]}")
        return text

    def _decode(self, ids: list[int]) -> str:
        return str(self._processor.tokenizer.decode(ids, skip_special_tokens=True))


def _common_prefix(first: list[int], second: list[int]) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
