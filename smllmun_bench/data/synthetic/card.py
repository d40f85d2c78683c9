"""The data card that is written beside the Parquet files; its YAML header tells `datasets` what lies where."""

from importlib.metadata import version

from smllmun_bench.data.synthetic.profiles import GENERATOR_VERSION

_CARD = """\
---
license: cc-by-4.0
language:
- en
pretty_name: S-MLLMUn Bench (synthetic reconstruction)
task_categories:
- visual-question-answering
tags:
- machine-unlearning
- synthetic
configs:
- config_name: items
  data_files: items/train.parquet
  default: true
- config_name: photos
  data_files: photos/train.parquet
- config_name: entities
  data_files: entities/train.parquet
---

# S-MLLMUn Bench (synthetic reconstruction)

Fictitious people and patients with drawn pictures, for measuring selective unlearning in multimodal models
(after arXiv 2511.20196, whose own data this is not). Nobody in here exists. Medical words are decor.

| | |
| --- | --- |
| generator version | {generator} |
| seed | {seed} |
| members | {profiles} |
| image size | {size} x {size} |
| Faker | {faker} |
| licence | CC-BY-4.0 |

* `items`: one question per row. `use` is `train` or `evaluate`; `fold` and `forget_rank` say where its entity stands:
  the entities to forget at p % are those of the fold `forget` (or `validation`) whose rank is below p % of the
  members. `images` are references into `photos`. The stored `role` says memory (`retain`) or understanding
  (`understanding_retain`); who is to be forgotten depends on p.
* `photos`: `ref` and `image` (PNG). Photos 00-15 are for training, 16-19 for evaluation only.
* `entities`: name, looks and facts (JSON) of everybody.

Do not report the fold `forget` with hyperparameters that were chosen on it: `validation` is there for that.
"""


def card(*, profiles: int, seed: int, image_size: int) -> str:
    """README.md of a written folder."""
    return _CARD.format(
        generator=GENERATOR_VERSION, seed=seed, profiles=profiles, size=image_size, faker=version("faker")
    )
