"""Whatever stands in a table, the answer is items or one readable error: never a traceback, never a silent guess."""

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smllmun_bench.data.registry import open_source
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError

OPTIONS = {"A": "x", "B": "y"}
CHOICE = {"Question": "?", "Options": OPTIONS, "Correct_Answer": "A"}
UMU = {"question": "?", "options": OPTIONS, "answer": "A. x"}
DIALOGUE = [{"from": "human", "value": "<image>?"}, {"from": "gpt", "value": "!"}]
TABLES: dict[str, dict[str, object]] = {
    "mllmu_bench": {
        "forget_10.json": {
            "ID": "1", "image": "i.png", "metadata": [{"Question": "?", "Answer": "!"}],
            "Classification_Task": {"Image_Textual_Questions": [CHOICE], "Pure_Text_Questions": [CHOICE]},
            "Mask_Task": [{"Question": "__?", "Ground_Truth": "x", "Type": "Pure_Text"}],
        },
        "retain_90.json": {"ID": "2", "image": "i.png", "question": "?", "answer": "!"},
    },
    "umu_bench": {
        "forget_5.json": {
            "ID": "1", "image": "i.png", "MM_QA": {"question": {"q": "?"}, "answer": {"q": "!"}},
            "Classify": {"unimodal": {"q": UMU}, "muitimodal": {"q": UMU}}, "Cloze": "{'unimodal': {}}",
        },
        "retain_95.json": {"ID": "2", "image": "i.png"},
    },
    "clear": {
        "forget10.json": {"image": "i.png", "caption": "c", "name": "n"},
        "retain90.json": {"image": "i.png", "caption": "c", "name": "m"},
        "forget10+tofu.json": {"image": None, "question": "?", "answer": "n"},
        "real_faces.json": {"image": "i.png", "question": "?", "answer": "x", "options": ["x", "y"]},
    },
    "tofu": {"forget10.json": {"question": "?", "answer": "!"}, "retain90.json": {"question": "??", "answer": "!"}},
    "offside": {
        "forget.json": {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]},
        "retain_choice.json": CHOICE | {"images": ["i.png"]},
    },
    "mlubench": {
        "Tasks/TaskA/taskA_forget.json": {"id": "1", "image": "i.png", "conversations": DIALOGUE},
        "Tasks/TaskA/taskA_retain.json": {"id": "2", "conversations": DIALOGUE},
    },
    "safe_eraser": {
        "all_train.json": {
            "image_path": "i.png", "unsafe_pairs": [{"question": "?", "model_response": "!"}],
            "UnharmPair_text1": {"Question": "?", "Answer": "!"},
        },
        "all_val.json": {"image_id": "i.png", "UnharmPair_text2": {"Question": "?", "Prediction": "!"}},
    },
    "unlok_vqa": {"u.json": {"id": 1, "src": "?", "pred": "!", "loc": ["?"], "loc_ans": "!", "image_id": 3}},
    "mmmu": {
        "validation.json": {
            "id": "validation_Art_1", "question": "<image 1>?", "options": "['a', 'b']", "image_1": "i.png",
            "answer": "A", "question_type": "multiple-choice",
        }
    },
    "mmbench": {
        "dev.json": {"index": 1, "question": "?", "answer": "A", "A": "x", "B": "y", "category": "c", "image": "i.png"}
    },
    "vqav2": {"val.json": {"question": "?", "answers": [{"answer": "a"}] * 10, "image": "i.png"}},
}  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats() | st.text(max_size=12) | st.just("{'q': ["),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The path of every value inside."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in parts:
        yield from places(child, (*path, key))


def write(folder: Path, tables: dict[str, object]) -> None:
    for name, row in tables.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([row]))


@pytest.mark.parametrize("adapter", TABLES)
def test_the_tables_below_are_whole(adapter, tmp_path):
    write(tmp_path, TABLES[adapter])
    assert open_source(adapter, {"path": str(tmp_path)}).items(Split.EVALUATE)


@pytest.mark.parametrize("adapter", TABLES)
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_value_of_any_kind_in_any_place_gives_items_or_a_readable_error(adapter, data):
    tables = copy.deepcopy(TABLES[adapter])
    name = data.draw(st.sampled_from(sorted(tables)))
    path = data.draw(st.sampled_from(list(places(tables[name]))))
    value = data.draw(JSON)
    if not path:
        tables[name] = value
    else:
        inside = tables[name]
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = value
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), tables)
        try:
            items = open_source(adapter, {"path": folder}).items(Split.EVALUATE)
        except UserError as error:
            items, told = [], str(error)
        else:
            told = folder
        assert name in told or folder in told
        assert all(isinstance(text, str) for item in items for text in (item.question, item.answer, *item.images))


@settings(max_examples=25)
@given(st.binary(max_size=60))
def test_files_that_are_no_tables(content):
    with tempfile.TemporaryDirectory() as name:
        for suffix in ("json", "jsonl", "parquet"):
            path = Path(name) / f"forget10.{suffix}"
            path.write_bytes(content)
            with pytest.raises(UserError):
                open_source("tofu", {"path": name}).items(Split.EVALUATE)
            path.unlink()


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from smllmun_bench.data.table_files import raw_rows

    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["pair_id", "pair_id"])
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"(?s)column stands twice.*'pair_id'"):
        list(raw_rows(tmp_path / "t.parquet", tmp_path))
