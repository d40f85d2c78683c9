"""A vision-language model: generates answers and scores given ones. Knows tokens and pixels, no roles, no scores."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from PIL import Image
from torch import Tensor

from smllmun_bench.errors import UserError
from smllmun_bench.models.answering import Generation, Query
from smllmun_bench.models.decoding import Stop, TokenIds, decode
from smllmun_bench.models.encoding import Encoded, Encoder
from smllmun_bench.models.families import Family, Prompt, family_of
from smllmun_bench.models.hooks import BatchLayout, Edit
from smllmun_bench.models.memory import device_of, in_batches
from smllmun_bench.models.packing import Packed, Row, pack, plan_rows, prefix_length
from smllmun_bench.models.prompt_filter import PromptFilter
from smllmun_bench.models.sampling import Choose, Chosen, chooser, likeliest
from smllmun_bench.models.vision import FeatureBank

__all__ = ["AnswerScores", "Generation", "ImageSource", "Query", "Reader", "Vlm", "finished"]
Labels = Literal["answer", "all"]
PACKED_TOKENS = 256  # of a row, or beside a longer image: long enough for several questions, short for dense masks


class ImageSource(Protocol):
    """Whoever resolves an image reference."""

    def image(self, ref: str) -> Image.Image: ...


@dataclass(frozen=True, slots=True)
class AnswerScores:
    """Teacher-forced answers of n items, N tokens in all.

    `logp` (N) is the log-probability of each answer token, EOS included; `owner` (N) the item it belongs to;
    `logits` (N, vocabulary) what it was taken from.
    """

    logp: Tensor
    owner: Tensor
    logits: Tensor
    count: int

    def sums(self) -> Tensor:
        """log π(answer | question) per item, shape (n), in nats."""
        return torch.zeros(self.count, dtype=self.logp.dtype, device=self.logp.device).index_add(
            0, self.owner, self.logp
        )

    def lengths(self) -> Tensor:
        """Answer tokens per item, shape (n)."""
        return torch.bincount(self.owner, minlength=self.count).to(self.logp.dtype)

    def means(self) -> Tensor:
        """Mean token log-probability per item, shape (n)."""
        return self.sums() / self.lengths()


@dataclass(frozen=True, slots=True)
class Reader:
    """How questions become tokens and tokens an answer, without the weights."""

    encoder: Encoder
    tokenizer: Any
    stop_ids: frozenset[int]
    eos_id: int

    @classmethod
    def of(cls, processor: Any, family: Family, image_token: int, ends: int | list[int] | None) -> "Reader":
        """`ends`: the EOS tokens of the folder's generation config; without, the tokenizer's."""
        tokenizer = processor.tokenizer
        eos = ends or tokenizer.eos_token_id
        stop_ids = frozenset(eos if isinstance(eos, list) else [eos])
        eos_id = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else min(stop_ids)
        written = (getattr(processor, "image_token", None), tokenizer.convert_ids_to_tokens(image_token))
        encoder = Encoder(
            processor,
            stop_ids,
            eos_id,
            placeholders=tuple(dict.fromkeys(token for token in written if token)),
            prompt=family.prompt,
        )
        return cls(encoder, tokenizer, stop_ids, eos_id)


def finished(ids: Sequence[int], stop_ids: frozenset[int], tokenizer: Any) -> Generation:
    """The answer up to, without, the token that ended it."""
    end = next((i for i, token in enumerate(ids) if token in stop_ids), None)
    text = tokenizer.decode(ids[:end], skip_special_tokens=True)
    return Generation(str(text).strip(), "length" if end is None else "stop")


class Vlm:
    """A `transformers` image-text-to-text model with its processor.

    Images are references that `source` resolves; their prepared pixels, and the features of a frozen tower, are kept
    in `bank` and may be shared by models whose towers are equal.
    """

    def __init__(self, model: Any, processor: Any, source: ImageSource, *, name: str, bank: FeatureBank | None = None):
        self.model = model
        self.processor = processor
        self.name = name
        self.family: Family = family_of(model.config.model_type)
        self.source = source
        self.image_token: int = model.config.image_token_id
        self.current_batch: Packed | None = None  # the batch in the forward pass, by which hooks find their tokens
        self.layout: BatchLayout | None = None  # the same, where every question has a row of its own
        self.one_per_row = False  # set by `hooks.one_row_per_question`
        self.edits: tuple[Edit, ...] = ()  # set by `hooks.editing`
        self.recomputing = False  # set by `hooks.recomputation`: a part of a pass runs once more, for its gradients
        self.rounding = False  # set by `rounded`
        self.labels: Labels = "answer"  # set by `labelled`
        self.prompt_filters: tuple[PromptFilter, ...] = ()  # set by `prompt_filter.filtering`
        self.bank = bank if bank is not None else FeatureBank(processor, source, self.image_token)
        reader = Reader.of(processor, self.family, self.image_token, model.generation_config.eos_token_id)
        self.encoder, self.stop_ids, self.eos_id = reader.encoder, reader.stop_ids, reader.eos_id
        pad = processor.tokenizer.pad_token_id
        self.pad_id: int = pad if pad is not None else self.eos_id

    @property
    def device(self) -> torch.device:
        return device_of(self.model)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = next(self.model.parameters()).dtype
        return dtype

    @property
    def positions(self) -> int | None:
        """Tokens that the decoder was made for, by its configuration."""
        return getattr(self.model.config.get_text_config(decoder=True), "max_position_embeddings", None)

    def length(self, query: Query, answer: str | None = None) -> int:
        return len(self.encode(query, answer).ids)

    # -- generation ----------------------------------------------------------------------------------------------

    def encode(self, query: Query, answer: str | None = None) -> Encoded:
        for prompt_filter in self.prompt_filters:
            query = prompt_filter.rewrite(query)
        sizes = tuple(self.bank.size(ref) for ref in query.images)
        encoded = self.encoder.encode(query.question, answer, query.images, sizes, query.prefill)
        if answer is None or self.labels == "answer":
            return encoded
        # The first token after the picture is not predicted: the picture's last one, which could, is shared.
        return replace(encoded, answer_start=prefix_length(encoded, self.image_token) + 1)

    @torch.inference_mode()
    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        batch_size: int = 64,
        on_done: Callable[[int], None] = lambda n: None,
    ) -> list[Generation]:
        """Answers in the order of the queries, greedy but where one says how to draw.

        Batches hold prompts of like length, or on the same image.
        A batch that does not fit into memory is halved, and so are those after it; no answer is lost by that.
        """
        if any(refused := [self._refusal(query, None) for query in queries]):
            open_to = [query for query, text in zip(queries, refused, strict=True) if text is None]
            on_done(len(queries) - len(open_to))
            rest = iter(self.generate(open_to, max_new_tokens=max_new_tokens, batch_size=batch_size, on_done=on_done))
            return [next(rest) if text is None else Generation(text, "stop") for text in refused]
        encoded = [self.encode(query) for query in queries]
        answers: dict[int, Generation] = {}
        shares = self._may_share(encoded, max_new_tokens)
        stop = Stop(self.stop_ids, self.pad_id, max_new_tokens)
        choose = chooser([query.draw for query in queries], max_new_tokens)

        def tell(tokens: TokenIds) -> None:
            for index, ids in tokens.items():
                answers[index] = finished(ids, self.stop_ids, self.processor.tokenizer)
            on_done(len(tokens))

        def ask(chunk: Sequence[int]) -> None:
            batch = [encoded[index] for index in chunk]
            tell(dict(zip(chunk, self._generate_batch(batch, max_new_tokens, choose, chunk), strict=True)))

        with self.bank.prefetching(self.device) as expect:
            for alike in self.alike(encoded):
                order = self._ordered(encoded, alike, by_image=shares)
                expect(encoded[index].images for index in order)
                if shares:
                    reader = (self.model, self._embed, encoded, order, self.image_token, stop)
                    decode(*reader, batch_size=batch_size, tell=tell, choose=choose)
                else:
                    in_batches(ask, order, batch_size)
        return [self._passed(query, answers[i]) for i, query in enumerate(queries)]

    def _ordered(self, encoded: Sequence[Encoded], numbers: Sequence[int], *, by_image: bool) -> list[int]:
        """Longest first, so that a batch that does not fit is met at once; `by_image`: those on one image together."""

        def place(number: int) -> tuple[int, tuple[str, ...], int, int]:
            item = encoded[number]
            shared = (-prefix_length(item, self.image_token), item.images) if by_image else (0, ())
            return (*shared, -len(item.ids), number)

        return sorted(numbers, key=place)

    def _refusal(self, query: Query, answer: str | None) -> str | None:
        refusals = (prompt_filter.refuse(query, answer) for prompt_filter in self.prompt_filters)
        return next((text for text in refusals if text is not None), None)

    def _passed(self, query: Query, answer: Generation) -> Generation:
        text = self._refusal(query, answer.text)
        return answer if text is None else Generation(text, "stop")

    def _may_share(self, encoded: Sequence[Encoded], max_new_tokens: int) -> bool:
        """Whether the tokens of an image may go through the decoder once for all of its questions.

        Not where somebody's hooks wait for whole prompts, nor where a sliding window counts the gaps of a batch.
        """
        if not encoded or not self.family.features_suffice or self.one_per_row or self.hooks():
            return False
        window = getattr(self.model.config.get_text_config(decoder=True), "sliding_window", None)
        return window is None or 2 * max(len(item.ids) for item in encoded) + max_new_tokens <= window

    def _embed(self, ids: Tensor, images: tuple[tuple[str, ...], ...]) -> Tensor:
        everything = torch.ones_like(ids, dtype=torch.bool)
        return self._inputs(ids, images, everything, ~everything)["inputs_embeds"]

    def alike(self, encoded: Sequence[Encoded]) -> list[list[int]]:
        """Indices that may share a pass: all of them, or those with equally many images where a family wants that."""
        groups: dict[int, list[int]] = {}
        for index, item in enumerate(encoded):
            groups.setdefault(len(item.images) if self.family.alike else 0, []).append(index)
        return list(groups.values())

    def _generate_batch(
        self, batch: list[Encoded], max_new_tokens: int, choose: Choose = likeliest, numbers: Sequence[int] = ()
    ) -> list[list[int]]:
        from transformers import GenerationConfig, LogitsProcessorList

        width = max(len(item.ids) for item in batch)
        ids = torch.full((len(batch), width), self.pad_id, dtype=torch.long)
        valid = torch.zeros((len(batch), width), dtype=torch.bool)
        for row, item in enumerate(batch):
            ids[row, width - len(item.ids) :] = torch.tensor(item.ids)
            valid[row, width - len(item.ids) :] = True
        images = tuple(item.images for item in batch if item.images)
        inputs = self._inputs(ids, images, valid, torch.zeros_like(valid))
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=max_new_tokens,
            eos_token_id=sorted(self.stop_ids),
            pad_token_id=self.pad_id,
        )
        usual = self.model.generation_config
        self.model.generation_config = GenerationConfig()  # else a repetition penalty of the folder would creep in
        ends = torch.full((len(batch),), width)
        self.layout = BatchLayout(tuple(batch), ids, ends - torch.tensor([len(item.ids) for item in batch]), ends)
        try:
            out = self.model.generate(
                **inputs,
                attention_mask=valid.long().to(self.device),
                generation_config=config,
                logits_processor=LogitsProcessorList([Chosen(choose, numbers)] if choose is not likeliest else []),
            )
        finally:
            self.model.generation_config = usual
            self.layout = None
        new = out if "inputs_embeds" in inputs else out[:, width:]
        return [row.tolist() for row in new.cpu()]

    # -- teacher-forced scores ---------------------------------------------------------------------------------

    @torch.inference_mode()
    def answer_logprobs(
        self,
        pairs: Sequence[tuple[Query, str]],
        *,
        batch_rows: int = 16,
        on_done: Callable[[int], None] = lambda n: None,
    ) -> list[tuple[float, ...]]:
        """Log-probability of each token of each answer, EOS included, in nats."""
        encoded = [self.encode(query, answer) for query, answer in pairs]
        result: list[tuple[float, ...]] = [()] * len(encoded)
        rows = self._rows(encoded, share_questions=True) if encoded else []

        def score(members: Sequence[int]) -> None:
            scores = self.score_answers([encoded[index] for index in members], share_questions=True)
            per_item: list[list[float]] = [[] for _ in members]
            for owner, value in zip(scores.owner.tolist(), scores.logp.double().tolist(), strict=True):
                per_item[owner].append(value)
            for index, values in zip(members, per_item, strict=True):
                refused = any(self._refusal(pairs[index][0], answer) is not None for answer in (None, pairs[index][1]))
                result[index] = tuple(self._blind(len(values)) if refused else values)
            on_done(len(members))

        limit = len(encoded)  # a row that does not fit is taken apart, so memory is counted in questions
        with self.bank.prefetching(self.device) as expect:
            expect(encoded[block.members[0]].images for row in rows for block in row)
            for at in range(0, len(rows), batch_rows):
                members = [index for row in rows[at : at + batch_rows] for block in row for index in block.members]
                limit = in_batches(score, members, limit)
        return result

    @contextmanager
    def rounded(self, wanted: bool) -> Iterator[None]:
        """Inside, answers are scored with products in bfloat16 (`torch.autocast`); the weights stay as they are."""
        before = self.rounding
        self.rounding = wanted
        try:
            yield
        finally:
            self.rounding = before

    def score_pairs(self, pairs: Sequence[tuple[Query, str]]) -> AnswerScores:
        """Questions with their answers, encoded and scored teacher-forced in one forward pass (`score_answers`)."""
        return self.score_answers([self.encode(query, answer) for query, answer in pairs])

    @contextmanager
    def labelled(self, wanted: Labels) -> Iterator[None]:
        """Inside, with `all`, the whole text after the picture is scored as an answer is, the question included."""
        before = self.labels
        self.labels = wanted
        try:
            yield
        finally:
            self.labels = before

    def score_answers(self, encoded: Sequence[Encoded], *, share_questions: bool = False) -> AnswerScores:
        """One forward pass over the answers of `encoded`; keeps the graph when gradients are on.

        `share_questions`: answers to one question take its tokens once, and hooks find it once. Families that keep
        questions with and without images apart take one pass for each.
        """
        parts = [
            (group, self._score([encoded[index] for index in group], share_questions)) for group in self.alike(encoded)
        ]
        if len(parts) == 1:
            return parts[0][1]
        return AnswerScores(
            torch.cat([scores.logp for _, scores in parts]),
            torch.cat([torch.tensor(group, device=self.device)[scores.owner] for group, scores in parts]),
            torch.cat([scores.logits for _, scores in parts]),
            len(encoded),
        )

    def _score(self, encoded: Sequence[Encoded], share_questions: bool) -> AnswerScores:
        rows = self._rows(encoded, share_questions=share_questions)
        packed = pack(encoded, rows, self.pad_id)
        self.current_batch = packed
        if self.one_per_row:
            items = tuple(encoded[row[0].members[0]] for row in rows)
            starts = torch.tensor([item.answer_start for item in items])
            self.layout = BatchLayout(items, packed.ids, torch.zeros_like(starts), starts)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.rounding):
            try:
                hidden = self._hidden(packed)
            finally:
                self.current_batch = self.layout = None
            picked = hidden[packed.predict_row.to(self.device), packed.predict_at.to(self.device)]
            logits = self.model.get_output_embeddings()(picked).float()
        target = packed.target.to(self.device)
        logp = torch.log_softmax(logits, dim=-1).gather(1, target[:, None]).squeeze(1)
        return AnswerScores(logp, packed.owner.to(self.device), logits, len(encoded))

    def _blind(self, tokens: int) -> list[float]:
        """Log-probabilities of that many tokens to whom all of the vocabulary is equally likely."""
        return [-math.log(self.model.get_output_embeddings().weight.shape[0])] * tokens

    def _rows(self, encoded: Sequence[Encoded], *, share_questions: bool = False) -> list[Row]:
        longest = max(len(item.ids) for item in encoded)
        shared = self.family.features_suffice and not self.one_per_row
        limit = PACKED_TOKENS if longest <= PACKED_TOKENS else longest + PACKED_TOKENS  # room for questions beside it
        most = limit if shared else 0  # 0: one item a row
        return plan_rows(encoded, self.image_token, max_length=most, share_questions=share_questions)

    def _hidden(self, packed: Packed) -> Tensor:
        valid = packed.mask[:, 0].any(dim=1) & (packed.mask[:, 0].sum(dim=2) > 1)
        valid[:, 0] = True
        answers = torch.zeros_like(valid)
        answers[packed.predict_row, packed.predict_at + 1] = True
        inputs = self._inputs(packed.ids, packed.images, valid, answers)
        if self.family.features_suffice:
            inputs["position_ids"] = packed.positions.to(self.device)
            inputs["attention_mask"] = packed.mask.to(self.device)
        else:  # one item a row and right padding: a plain causal mask, and the model's own positions
            inputs["attention_mask"] = valid.long().to(self.device)
        hidden: Tensor = self.model.model(**inputs, use_cache=False).last_hidden_state
        return hidden

    def _inputs(
        self, ids: Tensor, images: tuple[tuple[str, ...], ...], valid: Tensor, answers: Tensor
    ) -> dict[str, Tensor]:
        """Keyword arguments of the model for token ids (B, L) and the images that their placeholders stand for.

        `valid` (False: padding) and `answers` (True where the model is taught) are (B, L) too.
        """
        ids = ids.to(self.device)
        if not self.family.features_suffice:
            pixels = self.bank.pixels(images, self.device, self.dtype) if images else {}
            prompt = Prompt(ids, answers.to(self.device), valid.to(self.device), self.image_token, pixels)
            return {"input_ids": ids, **pixels, **self.family.extras(prompt)}
        embeds = self.model.get_input_embeddings()(ids)
        if images:
            features = self.bank.features(self.model, images)
            where = ids == self.image_token
            if int(where.sum()) != features.shape[0]:
                raise UserError(
                    f"the prompt holds {int(where.sum())} image tokens, the tower gives {features.shape[0]} features",
                    fix="patch_size and vision_feature_select_strategy of the processor must be those of the model",
                )
            embeds = embeds.clone()
            embeds[where] = features.to(embeds.dtype)
        return {"inputs_embeds": embeds}

    # -- identity ----------------------------------------------------------------------------------------------

    def fingerprint(self) -> str:
        """sha256 over tensors by name, hooks and prompt filters: equal before and after any mounted artifact."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        for line in [*self.hooks(), *(f"prompt_filter:{number}" for number in range(len(self.prompt_filters)))]:
            digest.update(line.encode())
        return digest.hexdigest()

    def hooks(self) -> list[str]:
        """`module:number` for every module with hooks that are not `transformers`' own."""
        found: list[str] = []
        for name, module in self.model.named_modules():
            kinds = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
            hooks = [hook for kind in kinds for hook in kind.values()]
            # transformers puts its own, which only read, where they are first needed and never takes them away.
            ours = [hook for hook in hooks if not str(getattr(hook, "__module__", "")).startswith("transformers.")]
            if ours:
                found.append(f"{name}:{len(ours)}")
        return found
