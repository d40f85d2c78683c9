"""A judge that is a local text model, loaded with `AutoModelForCausalLM`. Greedy; one request at a time."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smllmun_bench.errors import UserError
from smllmun_bench.judge.prompts import Request
from smllmun_bench.judge.protocol import Failure, JudgeFailed

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class LocalModel:
    """A folder with a causal language model and its tokenizer; its chat template is used where it has one."""

    def __init__(self, folder: Path, *, device: str = "cpu", max_tokens: int = 64) -> None:
        if not (folder / "config.json").is_file():
            raise UserError("no model in this folder: it has no config.json", where=str(folder), fix="a local folder")
        from smllmun_bench.models.devices import check_device

        check_device(device)
        self._folder, self._device, self._max_tokens = folder, device, max_tokens
        self._model, self._tokenizer = self._load()

    @cached_property
    def identity(self) -> Mapping[str, str | int | float]:
        """Named by content: a folder that was overwritten is another judge."""
        from smllmun_bench.store.hashing import folder_digest

        return {
            "kind": "local",
            "model": self._folder.resolve().name,
            "digest": folder_digest(self._folder),
            "max_tokens": self._max_tokens,
        }

    @property
    def parallel(self) -> int:
        return 1

    def answer(self, request: Request) -> str:
        import torch

        encoded = self._tokenizer(self._text(request), return_tensors="pt", add_special_tokens=not self._templated)
        inputs = {name: encoded[name].to(self._device) for name in ("input_ids", "attention_mask")}
        pad = self._tokenizer.eos_token_id
        try:
            with torch.inference_mode():
                output = self._model.generate(
                    **inputs,
                    max_new_tokens=self._max_tokens,
                    do_sample=False,
                    pad_token_id=pad,
                    trust_remote_code=False,
                )
        except (RuntimeError, IndexError, ValueError) as error:  # out of memory, too long, a generation config at odds
            raise JudgeFailed(Failure.CRASHED, f"{type(error).__name__}: {error}") from error
        return str(self._tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))

    @property
    def _templated(self) -> bool:
        return bool(self._tokenizer.chat_template)

    def _text(self, request: Request) -> str:
        if not self._templated:
            return f"{request.system}\n\n{request.user}\n"
        from jinja2 import TemplateError

        messages = [{"role": "system", "content": request.system}, {"role": "user", "content": request.user}]
        try:
            return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except TemplateError:  # some models know no system role
            whole = [{"role": "user", "content": f"{request.system}\n\n{request.user}"}]
            return str(self._tokenizer.apply_chat_template(whole, tokenize=False, add_generation_prompt=True))

    def _load(self) -> "tuple[Any, PreTrainedTokenizerBase]":
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from smllmun_bench.models.pretrained import read, read_weights

        model = read_weights(AutoModelForCausalLM, self._folder, local_files_only=True)
        tokenizer = read(AutoTokenizer, self._folder, local_files_only=True)
        return model.to(self._device).eval(), tokenizer
