"""Answers by vLLM, for a folder of plain weights: the prompts, stop tokens and numbers are those of `Vlm`.

Not run on a card yet: the calls are those of vLLM's documentation, tested against a stand-in with the same signatures.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smllmun_bench.errors import UserError, require
from smllmun_bench.models.encoding import Encoded
from smllmun_bench.models.families import family_of, load_processor
from smllmun_bench.models.vlm import Generation, ImageSource, Query, Reader, finished

AT_ONCE = 512  # requests whose pictures are in memory; vLLM batches them as it likes
UNSERVED = ("paligemma", "mllama")  # no chat template; a decoder that looks at pictures by cross-attention


def check(device: str, processes: int) -> None:
    """Raises UserError where vLLM cannot answer: no card, or several processes that would share one, or no vLLM."""
    where = "--backend vllm"
    if device not in ("cuda", "cuda:0"):
        fix = "CUDA_VISIBLE_DEVICES=… and --device cuda" if device.startswith("cuda:") else "--device cuda"
        raise UserError(f"vLLM answers on the first visible card, not on {device!r}", where=where, fix=fix)
    if processes > 1:
        raise UserError(f"{processes} processes would start vLLM on one card", where=where, fix="one process")
    require("vllm", extra="vllm")


class Served:
    """An engine of vLLM with the reader of the same folder."""

    def __init__(self, engine: Any, reader: Reader, source: ImageSource) -> None:
        self._engine, self._reader, self._source = engine, reader, source

    @property
    def positions(self) -> None:
        """vLLM refuses by itself what is too long."""
        return None

    def length(self, query: Query, answer: str | None = None) -> int:
        return len(self._prompt(query, answer)[0].ids)

    def close(self) -> None:
        """Let the engine go, whoever still holds this."""
        self._engine = None

    def generate(
        self,
        queries: Sequence[Query],
        *,
        max_new_tokens: int,
        batch_size: int = 64,
        on_done: Callable[[int], None] = lambda n: None,
    ) -> list[Generation]:
        """Greedy answers, in the order of the queries; `batch_size` is vLLM's own affair."""
        if any(query.draw for query in queries):
            raise UserError("vLLM draws answers otherwise", where="--backend vllm", fix="--backend transformers")
        settings = {"max_tokens": max_new_tokens, "stop_token_ids": sorted(self._reader.stop_ids)}
        asked = [(query, None) for query in queries]
        return [
            finished(list(output.outputs[0].token_ids), self._reader.stop_ids, self._reader.tokenizer)
            for _, output in self._run(asked, settings, on_done)
        ]

    def answer_logprobs(self, pairs: Sequence[tuple[Query, str]]) -> list[tuple[float, ...]]:
        """The answer is the end of the prompt, so its tokens are scored and one more, unused, is generated."""
        settings = {"max_tokens": 1, "prompt_logprobs": 1}
        return [
            tuple(
                float(output.prompt_logprobs[at][token].logprob)
                for at, token in enumerate(item.ids[item.answer_start :], item.answer_start)
            )
            for item, output in self._run(list(pairs), settings, lambda n: None)
        ]

    def _run(
        self, asked: Sequence[tuple[Query, str | None]], settings: dict[str, Any], on_done: Callable[[int], None]
    ) -> Iterator[tuple[Encoded, Any]]:
        vllm = require("vllm", extra="vllm")
        for at in range(0, len(asked), AT_ONCE):
            part = asked[at : at + AT_ONCE]
            items, prompts = zip(*(self._prompt(query, answer) for query, answer in part), strict=True)
            outputs = self._engine.generate(
                list(prompts),
                sampling_params=vllm.SamplingParams(temperature=0.0, detokenize=False, **settings),
                use_tqdm=False,
            )
            for item, output in zip(items, outputs, strict=True):
                if list(output.prompt_token_ids) != list(item.ids):
                    raise UserError(
                        "vLLM makes other tokens of a prompt with pictures than the model's own processor "
                        f"({len(output.prompt_token_ids)} in place of {len(item.ids)})",
                        where="--backend vllm",
                        fix="--backend transformers",
                    )
                yield item, output
            on_done(len(part))

    def _prompt(self, query: Query, answer: str | None) -> tuple[Encoded, dict[str, Any]]:
        """What it should become, and what vLLM is given: one placeholder for each picture, which it expands itself."""
        pictures = [self._source.image(ref).convert("RGB") for ref in query.images]
        sizes = tuple(picture.size for picture in pictures)
        encoder = self._reader.encoder
        item = encoder.encode(query.question, answer, query.images, sizes, query.prefill)
        if not pictures:
            return item, {"prompt_token_ids": list(item.ids)}
        whole = encoder.encode(query.question, None, query.images, sizes)
        short = encoder.unexpanded(query.question, sizes)
        spoken = encoder.encode(query.question, query.prefill, query.images, sizes) if query.prefill else item
        start = spoken.answer_start
        merged = len(whole.ids) - start  # the end of a prompt may be one token with the answer's beginning
        ids = [*short[: len(short) - merged], *item.ids[start:]]
        return item, {"prompt_token_ids": ids, "multi_modal_data": {"image": pictures}}


@contextmanager
def served(folder: str | Path, source: ImageSource, *, dtype: str, images: int = 1) -> Iterator[Served]:
    """vLLM on a model folder, gone again afterwards; `images` is the largest number in one question.

    Raises UserError: vLLM is not installed, or does not know how prompts of this family are written.
    """
    from transformers import AutoConfig, GenerationConfig

    from smllmun_bench.models.pretrained import find, read

    vllm = require("vllm", extra="vllm")
    config = read(AutoConfig, folder)
    family = family_of(config.model_type)
    if config.model_type in UNSERVED:
        raise UserError(f"{family.name} is not served", where="--backend vllm", fix="--backend transformers")
    if find(folder, "generation_config.json") is None:
        ends = GenerationConfig.from_model_config(config).eos_token_id
    else:
        ends = read(GenerationConfig, folder).eos_token_id
    reader = Reader.of(load_processor(str(folder), config), family, config.image_token_id, ends)
    engine = vllm.LLM(
        model=str(folder),
        dtype=dtype,
        trust_remote_code=False,
        generation_config="vllm",  # nothing of the folder's, a repetition penalty say, creeps in
        limit_mm_per_prompt={"image": max(1, images)},
        seed=0,
    )
    answers = Served(engine, reader, source)
    try:
        yield answers
    finally:
        answers.close()
        del engine
        gc.collect()
        require("vllm.distributed", extra="vllm").cleanup_dist_env_and_memory()
