"""Official rules give the published goldens; strict rules never guess; the two are shown side by side."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from smllmun_bench.cli.main import app
from smllmun_bench.errors import UserError
from smllmun_bench.metrics.choice import UNPARSED, parse_choice, parse_first_character
from smllmun_bench.metrics.vqa import options, soft, written, yesno
from smllmun_bench.metrics.vqa.normalise import evalai_normalise, vqa_normalise
from smllmun_bench.metrics.vqa.report import SETS, chance, report
from smllmun_bench.metrics.vqa.rules import RULES
from smllmun_bench.schema import Item, Kind, Modality, Prediction, Role

OPTIONS = ("cat", "dog", "red car", "blue house")
A, B, C, D = range(4)
X = UNPARSED
REPLIES = (
    "B", "(B)", "B.", "B) text", "The answer is B", "b", "Answer: B or C", "A dog is there", "A cat", "A car",
    "red car", "a dog or a red car", "", "I don't know", "US " * 500, "dog",
)  # fmt: skip


@pytest.mark.parametrize(
    ("parse", "expected"),
    [
        (parse_choice, (B, B, B, B, B, B, X, B, A, X, C, X, X, X, X, B)),
        (options.mmbench_official, (B, B, B, B, B, X, X, B, A, A, C, X, X, X, X, B)),
        (parse_first_character, (B, X, B, B, X, B, A, A, A, A, X, A, X, X, X, D)),
        (options.mmmu_official, (B, B, B, X, B, X, C, A, A, A, X, C, X, X, X, X)),
        (options.scienceqa_official, (B, X, B, X, X, B, X, X, X, X, X, X, X, X, X, X)),
        (options.seed_official, (B, X, B, B, X, B, A, A, A, A, X, A, X, X, X, D)),
    ],
)
def test_every_choice_rule_on_the_shared_edge_cases(parse, expected):
    assert tuple(parse(reply, OPTIONS) for reply in REPLIES) == expected


@pytest.mark.parametrize(
    ("text", "challenge", "evalai"),
    [
        ("1,000", "1000", "1000"),
        ("well-known", "well known", "well known"),
        ("U.S.", "us", "us"),
        (".5", ".5", ".5"),
        ("The man's hat", "man's hat", "man 's hat"),
        ("yes,sir", "yes sir", "yessir"),
        ("Two\nthe DOG", "2 dog", "2 dog"),
        ("dont", "don't", "don't"),
        ("none", "0", "0"),
        ("3.14", "3.14", "3.14"),
        ("a, b", "b", "b"),
        ("couldnt've", "couldn't've", "couldn't've"),
    ],
)
def test_the_normalisers(text, challenge, evalai):
    assert (vqa_normalise(text), evalai_normalise(text)) == (challenge, evalai)


@given(st.text(string.ascii_letters + " ,.'-", max_size=30))
def test_normalising_an_answer_leaves_no_articles(text):
    assert not {"a", "an", "the"} & set(vqa_normalise(text).split())


@pytest.mark.parametrize(("matches", "score"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)])
def test_soft_accuracy_by_matching_annotators(matches, score):
    answers = ["2"] * matches + ["3"] * (10 - matches)
    for normaliser in soft.Normaliser:
        assert soft.soft_accuracy("2", answers, normaliser) == pytest.approx(score)


def test_the_challenge_normalises_only_in_disagreement():
    assert soft.soft_accuracy("Two.", ["two"] * 10) == 0
    assert soft.soft_accuracy("Two.", ["two"] * 10, soft.Normaliser.ALWAYS) == 1
    assert soft.soft_accuracy("Two.", ["two"] * 9 + ["three"]) == pytest.approx(1)
    with pytest.raises(ValueError, match="no annotator"):
        soft.soft_accuracy("x", [])


@given(st.permutations(["cat"] * 3 + ["dog"] * 7))
def test_soft_accuracy_leaves_out_by_position_so_the_order_of_annotators_is_no_matter(answers):
    assert soft.soft_accuracy("cat", answers) == pytest.approx(0.9)
    assert soft.soft_accuracy("dog", answers) == 1


@pytest.mark.parametrize(
    ("reply", "mme", "pope", "strict"),
    [
        ("Yes.", True, True, True),
        ("n", False, True, X),
        ("Not sure", False, True, X),  # "not" is one of MME's first four characters' no; POPE wants a lower-case not
        ("It is yes", X, True, True),
        ("NO", False, True, False),
        ("No, there is none", False, False, False),
        ("Not visible", False, True, X),
        ("There is nothing", X, True, X),
        ("asdf", X, True, X),
        ("", X, True, X),
    ],
)
def test_yes_no_rules(reply, mme, pope, strict):
    from smllmun_bench.metrics.choice import parse_yes_no

    assert (yesno.mme_official(reply), yesno.pope_official(reply), parse_yes_no(reply)) == (mme, pope, strict)


def test_an_all_garbage_model_scores_two_thirds_officially_and_nothing_strictly():
    truth = [True, False] * 50
    official = yesno.pope_scores([yesno.pope_official("asdf")] * 100, truth)
    assert (round(official.f1, 3), official.accuracy, official.yes_ratio) == (0.667, 0.5, 1.0)
    strict = yesno.pope_scores([X] * 100, truth)
    assert (strict.f1, strict.accuracy, strict.yes_ratio) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="0 answers for 0"):
        yesno.pope_scores([], [])


def test_mme_totals_and_an_odd_number_of_rows():
    rows = [("OCR", "1", True), ("OCR", "1", True), ("OCR", "2", True), ("code_reasoning", "3", True)]
    found = yesno.mme_categories(rows)
    assert (found["OCR"].acc, found["OCR"].acc_plus) == (100, 50)
    assert (found["code_reasoning"].acc, found["code_reasoning"].acc_plus) == (100, 0)
    assert yesno.mme_totals(found) == (150, 100)


def test_circular_needs_the_first_row_of_each_question():
    assert options.circular([(5, True), (1_000_005, True), (6, False)]) == (0.5, 0.5)
    with pytest.raises(ValueError, match="question 5 has rotations but not its first row"):
        options.circular([(1_000_005, True)])


@pytest.mark.parametrize(
    ("reply", "answers", "score"),
    [
        ("Therefore the result is 3.14159.", ["3.14"], 1),
        ("x = 1,200", ["1200"], 1),
        ("The answer is a red car.", ["car"], 1),
        ("The answer is 12.", ["1200"], 0),
        ("", ["1"], 0),
        ("The cost is 5. Therefore it is 7.", ["5"], 0),  # lower-cased before it is split, so one sentence
        ("The cost is 5. Therefore it is 7.", ["7"], 1),
        ("It is 1,234.5", ["1,234"], 1),
        ("It is 1,234.5", ["234.5"], 1),
        ("It is 1,234.5", ["1234.5"], 1),  # the whole part, as a number
        ("It is 3e4 m", ["30000"], 1),
        ("x = 5\ny = 6", ["x = 5"], 0),  # "=" marks the last line only; the first has no key part
        ("so x is \nit is 7", ["x is"], 0),  # an empty tail takes the place of a longer one
    ],
)
def test_open_questions_of_mmmu(reply, answers, score):
    assert written.mmmu_open_official(reply, answers) == score


def test_judged_totals():
    assert written.mm_vet([1, 0.5], [["ocr"], ["ocr", "math"]]) == (75, {"math": 50, "ocr": 75})
    assert written.llava_bench([4, 8], [8, 8], ["conv", "detail"]) == (75, {"conv": 50, "detail": 100})
    with pytest.raises(ValueError, match="one grade"):
        written.mm_vet([2.0], [["ocr"]])
    with pytest.raises(ValueError, match="between 1 and 10"):
        written.llava_bench([0], [8], ["conv"])


# -- side by side ------------------------------------------------------------------------------------------------------


def item(benchmark, number, kind, answer, **more):
    question = {"question": "?", "answer": answer, "images": ("i",)}
    return Item(
        f"{benchmark}.{number}", benchmark, f"e{number}", Role.GENERAL, Modality.IMAGE_TEXT, kind, **(question | more)
    )


def said(items, *texts):
    return [Prediction(one.item_id, "r", text) for one, text in zip(items, texts, strict=True)]


def test_pope_side_by_side():
    items = [item("pope", n, Kind.YESNO, answer, group="random") for n, answer in enumerate(["yes", "no"] * 2)]
    found = report(items, said(items, "asdf", "No.", "asdf", "asdf"))
    assert (found.official["accuracy"], found.official["recall"], found.unparsed_official) == (75, 100, 0)
    assert (found.strict["accuracy"], found.strict["recall"], found.unparsed_strict) == (25, 0, 0.75)
    assert found.official["random/yes_ratio"] == 75


def test_mmbench_side_by_side():
    def one(index):
        return item("mmbench", index, Kind.CHOICE, "dog", choices=OPTIONS, group="p/o")

    items = [one(3), one(1_000_003), one(4)]
    found = report(items, said(items, "B", "b", "A dog is there"))
    assert (found.official["circular"], found.official["vanilla"], found.strict["circular"]) == (50, 100, 100)
    assert found.official["p/o/circular"] == 50
    assert found.unparsed_official == pytest.approx(1 / 3)
    assert chance(items) == 25


@pytest.mark.parametrize(
    ("name", "kind", "more", "reply", "official", "strict"),
    [
        ("mmmu", Kind.CHOICE, {"answer": "dog", "choices": OPTIONS}, "B) text", 0, 100),
        ("gqa", Kind.OPEN, {"answer": "yes"}, "Yes.", 100, 100),
        ("scienceqa", Kind.CHOICE, {"answer": "dog", "choices": OPTIONS}, "(B)", 0, 100),
        ("seed_bench", Kind.CHOICE, {"answer": "cat", "choices": OPTIONS}, "A dog", 100, 0),
        ("vqav2", Kind.OPEN, {"answer": "two", "accepted": ("two",) * 10}, "Two.", 0, 100),
        ("textvqa", Kind.OPEN, {"answer": "two", "accepted": ("two",) * 10}, "Two.", 100, 100),
    ],
)
def test_where_the_two_rules_part(name, kind, more, reply, official, strict):
    items = [item(name, 1, kind, **more)]
    found = report(items, said(items, reply))
    assert (found.official["accuracy"], found.strict["accuracy"]) == (official, strict)


@given(st.text(max_size=40))
def test_strict_rules_give_no_credit_to_what_they_cannot_read(text):
    one = item("mmbench", 1, Kind.CHOICE, "dog", choices=OPTIONS)
    found = report([one], said([one], text))
    assert not (found.unparsed_strict and found.strict["vanilla"])


def test_mm_vet_offline_is_never_called_mm_vet():
    items = [item("mm_vet", 1, Kind.OPEN, "a<AND>b", group="ocr,math")]
    found = report(items, said(items, "only a"))
    assert found.official == {"and_or": 50, "and_or math": 50, "and_or ocr": 50}
    assert "judge" in found.judged


def test_a_report_wants_one_set_and_all_answers():
    items = [item("pope", 1, Kind.YESNO, "yes"), item("mme", 1, Kind.YESNO, "yes")]
    with pytest.raises(UserError, match="the items are of 2 sets"):
        report(items, [])
    with pytest.raises(UserError, match=r"item has no prediction: 'pope\.1' \(1 in all\)"):
        report(items[:1], [])
    with pytest.raises(UserError, match="unknown general set 'popo'"):
        report([item("popo", 1, Kind.YESNO, "yes")], [])
    with pytest.raises(UserError, match="llava_bench is scored by a judge"):
        report([item("llava_bench", 1, Kind.OPEN, "x")], [])


def test_predictions_and_items_are_matched_one_to_one():
    items = [item("pope", n, Kind.YESNO, "yes") for n in range(3)]
    answers = said(items, "yes", "yes", "no")
    for wrong, message in (
        ([*answers, answers[0], answers[2]], r"more than one prediction: 'pope\.0', 'pope\.2' \(2 in all\)"),
        ([*answers, Prediction("pope.9", "r", "yes")], r"prediction of an unknown item: 'pope\.9' \(1 in all\)"),
        (answers[1:], r"item has no prediction: 'pope\.0'"),
    ):
        with pytest.raises(UserError, match=message):
            report(items, wrong)
    with pytest.raises(UserError, match=r"item id stands twice: 'pope\.0'"):
        report([*items, items[0]], answers)
    attacked = [Prediction("pope.0", "r", "no", attack="blank"), Prediction("pope.0", "r", "no", sample=1)]
    assert report(items, [*answers, *attacked]) == report(items, answers)


def test_a_part_of_a_set_may_be_scored_from_the_answers_to_all():
    items = [item("pope", n, Kind.YESNO, "yes") for n in range(3)]
    answers = said(items, "yes", "yes", "no")
    assert report(items[2:], answers, of=items).official["accuracy"] == 0
    assert report(items[2:], answers[2:], of=items).official["accuracy"] == 0
    with pytest.raises(UserError, match=r"unknown item: 'pope\.9'"):
        report(items[2:], [*answers, Prediction("pope.9", "r", "yes")], of=items)
    with pytest.raises(UserError, match=r"more than one prediction: 'pope\.0'"):
        report(items[2:], [*answers, answers[0]], of=items)


def test_every_set_names_rules_that_exist():
    assert {rule for one in SETS.values() for rule in (one.official, one.strict)} <= set(RULES)


def test_the_command_prints_both_rules_the_unparsed_share_and_the_interval(tmp_path):
    from smllmun_bench import tasks
    from smllmun_bench.data.combined import TaskData
    from smllmun_bench.data.source import Split

    folder = tmp_path / "pope"
    folder.mkdir()
    rows = [
        {"id": str(n), "question": "?", "answer": "yes", "image": "i.png", "category": "random"} for n in range(400)
    ]
    (folder / "pope.json").write_text(json.dumps(rows))
    asked = TaskData(tasks.load("pope"), 0, folder).benchmark.items(Split.EVALUATE)
    answers = tmp_path / "said.jsonl"
    answers.write_text("".join(json.dumps({"item_id": i.item_id, "run_id": "r", "text": "asdf"}) + "\n" for i in asked))
    arguments = ["data", "vqa", str(answers), "--task", "pope", "--data", str(folder), "--sample", "100"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "pope, 100 questions" in done.stdout
    assert "100 of 400 units: at most ±8.5 points (95 %) from the whole set" in done.stdout
    table = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert (table["official"]["accuracy"], table["strict"]["accuracy"], table["unparsed_strict"]) == (100, 0, 1)
    assert f"ids sha256 {table['subset']['ids_sha256']}" in done.stdout
    with answers.open("a") as more:
        more.write(json.dumps({"item_id": asked[7].item_id, "run_id": "r", "text": "yes"}) + "\n")
    refused = CliRunner().invoke(app, arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"item has more than one prediction: {asked[7].item_id!r} (1 in all)" in refused.stderr
