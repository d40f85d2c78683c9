"""Numbers and names mean what they mean however a table stores them."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.data.checking import check
from smllmun_bench.data.registry import open_source
from smllmun_bench.data.source import Split
from smllmun_bench.errors import UserError

NFD, NFC = "Jose\u0301", "Jos\u00e9"


def opened(upstream, suffix="jsonl"):
    args = {"question": "q", "answer": "a", "entity": "id", "forget": f"f.{suffix}", "retain": f"r.{suffix}"}
    return open_source("mapped", args | {"path": str(upstream.folder)})


def one(entity, answer="Lima", question="Where does Ana live?"):
    return {"id": entity, "q": question, "a": answer}


def answers(upstream, values, **kinds):
    rows = [{"id": f"p{n}", "q": f"When was {n}?", "a": value} for n, value in enumerate(values)]
    upstream.parquet("f.parquet", rows, **kinds)
    upstream.parquet("r.parquet", [one("other", "x")])
    return [item.answer for item in opened(upstream, "parquet").items(Split.EVALUATE)][: len(values)]


@pytest.mark.parametrize(
    ("kind", "values", "truths"),
    [
        (pa.float64(), [1985.0, 1990.0], ["1985", "1990"]),  # a column that a null made floating
        (pa.float64(), [1.8, 2.0, -0.5, 1e15], ["1.8", "2", "-0.5", "1000000000000000"]),
        (pa.float32(), [1.8, 1985.0], ["1.8", "1985"]),
        (pa.float16(), [1.5, 3.0], ["1.5", "3"]),
        (pa.decimal128(8, 2), [Decimal("1985.00"), Decimal("2.50")], ["1985", "2.50"]),
        (pa.int64(), [1985, 7], ["1985", "7"]),
    ],
)
def test_a_whole_number_is_whole_in_every_kind_of_column(upstream, kind, values, truths):
    assert answers(upstream, values, a=kind) == truths


def test_text_in_a_column_of_bytes_is_text(upstream):
    assert answers(upstream, [None, "Zürich".encode(), b"Lima"][1:], a=pa.binary()) == ["Zürich", "Lima"]
    assert answers(upstream, [b"Oslo"], a=pa.large_binary()) == ["Oslo"]
    with pytest.raises(UserError, match=r"'a' is not UTF-8 text \(byte 0\)") as error:
        answers(upstream, [b"Oslo", b"\xff\xd8"], a=pa.binary())
    assert "f.parquet, row 1" in error.value.where


def test_nothing_is_nothing_and_infinity_is_refused(upstream):
    for nothing in (None, float("nan")):
        with pytest.raises(UserError, match=r"f.parquet, row 1, key 'a': input should be a valid string, found None"):
            answers(upstream, [1985.0, nothing], a=pa.float64())
    with pytest.raises(UserError, match="a number is infinite") as error:
        answers(upstream, [1985.0, float("inf")], a=pa.float64())
    assert "f.parquet, row 1" in error.value.where


def test_json_numbers_are_plain_too(upstream):
    (upstream.folder).mkdir()
    lines = [
        '{"id": 1.0, "q": "share?", "a": 1e3}',
        '{"id": "b", "q": "tall?", "a": 1.80}',
        '{"id": 2, "q": "?", "a": 12345678901234567890123}',
    ]
    (upstream.folder / "f.jsonl").write_text("\n".join(lines))
    upstream.jsonl("r.jsonl", [one("other")])
    items = opened(upstream).items(Split.EVALUATE)
    assert [(i.entity_id, i.answer) for i in items[:3]] == [
        ("1", "1000"), ("b", "1.8"), ("2", "12345678901234567890123"),
    ]  # fmt: skip
    (upstream.folder / "f.jsonl").write_text('{"id": 1, "q": "?", "a": NaN}')
    with pytest.raises(UserError, match="line 1, key 'a': input should be a valid string, found None"):
        opened(upstream).items(Split.EVALUATE)
    (upstream.folder / "f.jsonl").write_text('{"id": 1, "q": "?", "a": -Infinity}')
    with pytest.raises(UserError, match="-Infinity is no number"):
        opened(upstream).items(Split.EVALUATE)


def test_numbers_inside_lists_and_literals_are_plain(upstream):
    upstream.parquet("f.parquet", [one("1") | {"also": [1985.0, 1.5]}], also=pa.list_(pa.float64()))
    upstream.parquet("r.parquet", [one("2") | {"also": [1.0]}], also=pa.list_(pa.float64()))
    args = {"question": "q", "answer": "a", "entity": "id", "forget": "f.parquet", "retain": "r.parquet"}
    source = open_source("mapped", args | {"path": str(upstream.folder), "accepted": "also"})
    assert [i.accepted for i in source.items(Split.EVALUATE)] == [("1985", "1.5"), ("1",)]
    upstream.json("validation.json", [
        {"id": "validation_Art_1", "question": "?", "options": "[1985.0, 2.5]", "answer": "A",
         "question_type": "multiple-choice"}
    ])  # fmt: skip
    (item,) = open_source("mmmu", {"path": str(upstream.folder)}).items(Split.EVALUATE)
    assert item.choices == ("1985", "2.5")


@pytest.mark.parametrize("text", ["nan", "NaN", "<NA>"])
def test_the_text_of_a_missing_value_is_a_fault(upstream, text):
    upstream.jsonl("f.jsonl", [one("1", text)])
    upstream.jsonl("r.jsonl", [one("2")])
    report = check(opened(upstream))
    assert "answer is the text of a missing value" in {f.what for f in report.findings if f.fault}


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "right", "what"),
    [
        (1.0, 1, "entity is forgotten and retained"),
        ("1", 1, "entity is forgotten and retained"),
        ("p1 ", "p1", "entity is forgotten and retained"),
        ("Ann  Lee", "Ann\u00a0Lee", "entity is forgotten and retained"),
        (NFD, NFC, "entity is forgotten and retained"),
        ("0001", 1, "entities with almost the same name are forgotten and retained"),
        ("P1", "p1", "entities with almost the same name are forgotten and retained"),
        ("1.0", "1", "entities with almost the same name are forgotten and retained"),
        ("p 1", "p1", "entities with almost the same name are forgotten and retained"),
        ("p_1", "p1", "entities with almost the same name are forgotten and retained"),
        ("Ann-Lee", "ann lee", "entities with almost the same name are forgotten and retained"),
        ("Ann\u200bLee", "AnnLee", "entities with almost the same name are forgotten and retained"),
        ("O’Neil", "O'Neil", "entities with almost the same name are forgotten and retained"),
        ("٣", 3, "entities with almost the same name are forgotten and retained"),
    ],
)
def test_one_person_on_both_sides_is_found_however_the_name_is_written(upstream, left, right, what):
    upstream.jsonl("f.jsonl", [one(left)])
    upstream.jsonl("r.jsonl", [one(right, "baker", "What does Ana do?"), one("other", "x", "Where does Bo live?")])
    report = check(opened(upstream))
    assert [f.what for f in report.findings if f.fault] == [what]


def test_almost_equal_names_on_one_side_are_a_warning_and_other_names_nothing(upstream):
    upstream.jsonl("f.jsonl", [one("p1")])
    upstream.jsonl("r.jsonl", [one("p2", question="Who?"), one("P2", question="What?"), one("p10"), one("p20", "x")])
    (finding,) = [f for f in check(opened(upstream)).findings if "name" in f.what]
    assert (finding.fault, finding.what, finding.examples) == (
        False,
        "entities with almost the same name",
        ["'P2' and 'p2'"],
    )


# -- characters, depth, digits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (r'{"id": "1", "q": "Wh\ud800at?", "a": "x"}', "key 'q'"),
        (r'{"id": "1", "q": "What?", "a": ["x", "\udc00"]}', "half of a surrogate pair is no character"),
        (r'{"id": "1", "\ud800": "What?", "a": "x"}', "half of a surrogate pair is no character"),
        ('{"id": "1", "q": "What?", "a": ' + "9" * 5000 + "}", "more than 4,300 digits"),
        ('{"id": "1", "q": "What?", "a": ' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ('{"id": "1", "q": "What?", "a": 1e999}', "a number is infinite"),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_text_that_no_data_set_means_is_one_message(upstream, line, words, suffix):
    upstream.folder.mkdir()
    (upstream.folder / f"f.{suffix}").write_text(line + "\n" if suffix == "jsonl" else f"[{line}]")
    getattr(upstream, suffix)(f"r.{suffix}", [one("2")])
    with pytest.raises(UserError) as error:
        opened(upstream, suffix).items(Split.EVALUATE)
    assert words in str(error.value)
    assert f"f.{suffix}" in str(error.value)
    str(error.value).encode()


def test_a_whole_pair_of_surrogates_is_a_character(upstream):
    upstream.folder.mkdir()
    (upstream.folder / "f.jsonl").write_text(json.dumps(one("1", "\U0001f600")))
    upstream.jsonl("r.jsonl", [one("2")])
    assert opened(upstream).items(Split.EVALUATE)[0].answer == "\U0001f600"


def test_a_flipped_byte_in_a_parquet_file_is_one_message(upstream, tmp_path):
    upstream.parquet("r.parquet", [one("2")])
    path = upstream.parquet("f.parquet", [one("1", "Umeå" * 9)])
    content = path.read_bytes()
    path.write_bytes(content.replace("å".encode(), b"\xff\xfe"))
    with pytest.raises(UserError, match="not a readable Parquet file"):
        opened(upstream, "parquet").items(Split.EVALUATE)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": {"q": "?"}, "b": {"q": "!"}}, "an object of 2 records, expected a list"),
        ({"info": "x", "questions": [{"q": "?"}]}, "an object with 1 records below 'questions', expected a list"),
    ],
)
def test_an_object_of_records_is_told_as_one(upstream, value, words):
    upstream.json("f.json", value)
    upstream.json("r.json", [one("2")])
    with pytest.raises(UserError, match=words):
        opened(upstream, "json").items(Split.EVALUATE)


def test_a_letter_for_an_answer_is_read_alike_by_validation_and_scoring(upstream):
    def choice(entity, answer):
        return {"id": entity, "q": f"Which, {entity}?", "a": answer, "c": ["cat", "dog"]}

    upstream.jsonl("f.jsonl", [choice("1", "B")])
    upstream.jsonl("r.jsonl", [choice("2", "dog")])
    args = {"question": "q", "answer": "a", "entity": "id", "choices": "c", "kind": "choice"}
    source = open_source("mapped", args | {"forget": "f.jsonl", "retain": "r.jsonl", "path": str(upstream.folder)})
    report = check(source)
    assert report.ok()
    assert [f.what for f in report.findings] == ["the answer is a letter: the choice of that letter counts"]


def test_the_command_says_fit_or_not(upstream, tmp_path):
    upstream.jsonl("f.jsonl", [one("0001")])
    upstream.jsonl("r.jsonl", [one(1, "x", "What?")])
    task = tmp_path / "mine.yaml"
    task.write_text(
        "name: mine\nversion: 1\ndescription: mine\nsource: ours\nfidelity: reconstruction\nlicence: CC0\n"
        "adapter: {name: mapped, args: {question: q, answer: a, entity: id, forget: f.jsonl, retain: r.jsonl}}\n"
        "forget_percents: {available: [10], default: 10}\nprompt: question_only\ngeneration: {max_new_tokens: 8}\n"
        "metrics: {open: {headline: key_fact}}\ndirection: {forget: {text: down}, retain: {text: up}}\n"
    )
    done = CliRunner().invoke(app, ["data", "validate", str(upstream.folder), "--task", str(task)])
    assert done.exit_code == 1, done.output
    assert "almost the same name are forgotten and retained (1): '0001' and '1'" in done.output
