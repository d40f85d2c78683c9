"""More choices than letters are refused before a model is asked, and no item gets the numbers of another."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from smllmun_bench import tasks
from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.schema import Item, Kind, Modality, Role
from smllmun_bench.stages.predicting import predict_items, question_of

TASK = """
name: many
version: 1
description: test
source: ours
fidelity: reconstruction
licence: CC0
adapter:
  name: mapped
  args: {{path: {path}, entity: person, question: q, answer: a, choices: c, kind: choice, forget: forget.jsonl,
    retain: retain.jsonl}}
forget_percents: {{available: [10], default: 10}}
prompt: question_only
generation: {{max_new_tokens: 8}}
choice: {{listed: {listed}, answer: {answer}}}
metrics:
  choice: {{headline: choice_{metric}}}
direction:
  forget: {{text: down}}
  retain: {{text: up}}
"""


def _task(folder: Path, *, listed: bool, answer: str = "logprob") -> Path:
    for part in ("forget", "retain"):
        rows = [
            f'{{"person": "{part}0", "q": "Where does {part} 0 live?", "a": "town 29", '
            f'"c": [{", ".join(f"{chr(34)}town {n}{chr(34)}" for n in range(30))}]}}',
            f'{{"person": "{part}1", "q": "Where does {part} 1 live?", "a": "Rome", "c": ["Oslo", "Rome"]}}',
        ]
        (folder / f"{part}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    file = folder / "many.yaml"
    metric = "logprob" if answer == "logprob" else "text"
    file.write_text(
        TASK.format(path=folder, listed=str(listed).lower(), answer=answer, metric=metric), encoding="utf-8"
    )
    return file


def _item(count: int, name: str) -> Item:
    choices = tuple(f"town {n}" for n in range(count))
    return Item(name, "b", name, Role.FORGET, Modality.TEXT, Kind.CHOICE, "Where?", choices[-1], choices=choices)


@pytest.mark.parametrize("answer", ["logprob", "generated"])
def test_more_choices_than_letters_are_refused_by_name(tmp_path, answer):
    task = tasks.load(str(_task(tmp_path, listed=True, answer=answer)))
    assert question_of(_item(26, "fits"), task).count("\n") == 27
    with pytest.raises(UserError, match="27 choices, and 26 letters") as caught:
        question_of(_item(27, "row-7"), task)
    assert "row-7" in str(caught.value)


def test_validate_names_the_row(tmp_path):
    found = CliRunner().invoke(app, ["data", "validate", str(tmp_path), "--task", str(_task(tmp_path, listed=True))])
    assert found.exit_code == 1
    assert "more choices than there are letters" in " ".join(found.stdout.split())
    assert re.search(r"mapped\.forget\.jsonl\.1", "".join(found.stdout.split()))


def test_where_choices_are_not_listed_their_number_does_not_matter(tmp_path):
    """Each item gets its own numbers: the nearer an option is to the item's own, the likelier."""
    task = tasks.load(str(_task(tmp_path, listed=False)))
    items = [_item(30, "first"), _item(3, "second"), _item(28, "third")]
    wanted = {"first": 29, "second": 1, "third": 5}

    def logprobs(pairs):
        asked = iter([item for item in items for _ in item.choices])
        return [(-abs(float(text.split()[1]) - wanted[next(asked).item_id]),) for _, text in pairs]

    vlm = SimpleNamespace(generate=lambda queries, **_: [], answer_logprobs=logprobs)
    found = predict_items(vlm, items, task, run_id="r", batch_size=4)
    for item, prediction in zip(items, found, strict=True):
        assert len(prediction.option_logprobs) == len(item.choices)
        assert prediction.option_logprobs.index(max(prediction.option_logprobs)) == wanted[item.item_id]
