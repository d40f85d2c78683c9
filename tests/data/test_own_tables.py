"""Tables of one's own where people keep them: beside the task file, as `save_to_disk` writes them, on the hub."""

import json
from pathlib import Path

import pytest
from PIL import Image

from smllmun_bench import tasks
from smllmun_bench.data import mapped as module
from smllmun_bench.data.combined import TaskData
from smllmun_bench.data.mapped import mapped
from smllmun_bench.data.source import Split

ROWS = [{"q": f"Who is {n}?", "a": f"Ann {n}", "who": f"p{n}"} for n in range(3)]
NAMES = {"question": "q", "answer": "a", "entity": "who"}
TASK = """name: own
version: 1
description: mine
source: me
fidelity: reconstruction
licence: mine
adapter: {name: mapped, args: {PATH, question: q, answer: a, entity: who, forget: forget.jsonl, retain: retain.jsonl}}
forget_percents: {available: [10], default: 10}
prompt: question_only
generation: {max_new_tokens: 8}
metrics: {open: {headline: exact}}
direction: {forget: {text: down}, retain: {text: up}}
"""


def lines(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


@pytest.mark.parametrize("path", ["path: tables", "path: ./tables"])
def test_a_path_is_relative_to_the_task_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    for name in ("forget", "retain"):
        lines(tmp_path / "mine" / "tables" / f"{name}.jsonl")
    file = tmp_path / "mine" / "own.yaml"
    file.write_text(TASK.replace("PATH", path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    spec = tasks.load(file)
    answers = {item.answer for item in TaskData(spec, 10).training(Split.FORGET_TRAIN)}
    assert answers == {"Ann 0", "Ann 1", "Ann 2"}
    assert str(tmp_path) not in spec.model_dump_json(), "where a task lies is no part of it"


def test_ids_count_from_one_in_files_of_every_form(tmp_path: Path) -> None:
    import pandas

    lines(tmp_path / "a.jsonl")
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    pandas.DataFrame(ROWS).to_parquet(tmp_path / "a.parquet")
    pandas.DataFrame(ROWS).to_csv(tmp_path / "a.csv", index=False)
    for name in ("a.jsonl", "a.json", "a.parquet"):
        items = mapped(path=tmp_path, forget=name, **NAMES).items(Split.EVALUATE)
        assert [item.item_id.rsplit(".", 1)[1] for item in items] == ["1", "2", "3"], name


def test_what_save_to_disk_wrote_is_read_with_its_pictures(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    photos = [Image.new("RGB", (8, 8), (60 * n, 0, 0)) for n in range(3)]
    rows = [row | {"photo": photo, "age": n} for n, (row, photo) in enumerate(zip(ROWS, photos, strict=True))]
    splits = {"forget": Dataset.from_list(rows), "retain": Dataset.from_list([row | {"who": "other"} for row in rows])}
    DatasetDict(splits).save_to_disk(tmp_path / "saved")
    source = mapped(path=tmp_path / "saved", forget="forget", retain="retain", image="photo", **NAMES)
    items = [item for item in source.items(Split.EVALUATE) if item.role == "forget"]
    assert [item.answer for item in items] == ["Ann 0", "Ann 1", "Ann 2"]
    assert source.image(items[2].images[0]).getpixel((0, 0)) == (120, 0, 0)


def test_a_hub_id_is_a_data_set_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines(tmp_path / "forget.jsonl")
    asked: list[str] = []

    def locate(path: Path | None, hub: module.Hub | None) -> Path:
        asked.append(hub.repo if hub is not None else str(path))
        return tmp_path

    monkeypatch.setattr(module, "locate", locate)
    mapped(path=Path("somebody/people"), forget="forget.jsonl", **NAMES)
    mapped(path=tmp_path, forget="forget.jsonl", **NAMES)
    assert asked == ["somebody/people", str(tmp_path)]
