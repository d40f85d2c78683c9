"""The toy is a normal `transformers` folder."""

from pathlib import Path
from typing import Any

from smllmun_bench.references import toy


def test_the_same_texts_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        toy.build(tmp_path / name, ["some words to learn from"], toy.NANO, seed=3)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "model.safetensors" in files
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in files)
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_any_text_survives_the_tokenizer(tiny: Any) -> None:
    text = "Zoë's 12 cafés – 東京 & <b>bold</b>\n"
    tokenizer = tiny.vlm.processor.tokenizer
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
