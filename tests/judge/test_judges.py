"""Prompts, ratings, agreement, and the judges that need no network."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smllmun_bench.errors import UserError
from smllmun_bench.judge import prompts
from smllmun_bench.judge.agreement import agreement
from smllmun_bench.judge.cache import Cache
from smllmun_bench.judge.function import Function
from smllmun_bench.judge.local import LocalModel
from smllmun_bench.judge.prompts import Prompt
from smllmun_bench.judge.protocol import Failure
from smllmun_bench.judge.rate import Question, rate
from smllmun_bench.judge.ratings import parse_rating

FACT = prompts.load("fact")


def test_the_shipped_prompts_say_what_is_ours() -> None:
    assert prompts.names() == ("fact", "meaningful")
    for name in prompts.names():
        prompt = prompts.load(name)
        assert prompt.fidelity == "reconstruction"
        assert "not published" in prompt.source
    assert "{reference}" not in prompts.load("meaningful").user  # it must not know the right answer


def test_a_changed_word_is_another_prompt() -> None:
    other = FACT.model_copy(update={"user": FACT.user + " "})
    assert other.digest != FACT.digest == prompts.load("fact").digest


@given(st.text(), st.text(), st.text())
def test_texts_arrive_as_they_are(question: str, reference: str, answer: str) -> None:
    plain = Prompt(
        name="p", version=1, fidelity="paper", source="x", system="s", user="{question}|{reference}|{answer}"
    )
    request = plain.ask(question=question, reference=reference, answer=answer)
    assert request.user == f"{question}|{reference}|{answer}"


def test_an_answer_cannot_open_a_slot() -> None:
    assert "SECRET" not in prompts.load("meaningful").ask(question="q", reference="SECRET", answer="{reference}").user


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("user: no slot", "no slot {answer}"),
        ("user: '{answer} {anwser}'", "unknown slot 'anwser'"),
        ("vresion: 2", "'version'"),
    ],
)
def test_a_broken_prompt_file_is_placed(tmp_path: Path, line: str, says: str) -> None:
    lines = {"name": "p", "version": "1", "fidelity": "paper", "source": "x", "system": "s", "user": "'{answer}'"}
    key, _, value = line.partition(": ")
    path = tmp_path / "p.yaml"
    path.write_text("".join(f"{k}: {v}\n" for k, v in (lines | {key: value}).items()))
    with pytest.raises(UserError) as caught:
        prompts.load(str(path))
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    with pytest.raises(UserError, match="unknown prompt 'fcat'"):
        prompts.load("fcat")


@given(st.integers(0, 10))
def test_every_rating_on_the_scale_is_read(rating: int) -> None:
    for text in (f"{rating}", f" {rating}.\n", f"**{rating}**", f"{rating}/10", f"Score: {rating}"):
        assert parse_rating(text, 0, 10) == rating


@given(st.text(alphabet=st.characters(exclude_categories=("Nd",))))
def test_text_without_a_number_is_no_rating(text: str) -> None:
    assert parse_rating(text, 0, 10) is None


def _ratings(*values: int | None) -> dict[str, int | None]:
    return dict(zip("abcdefghij", values, strict=False))


def test_golden_agreement() -> None:
    """Worked by hand: 10 pairs, 2×2 table 4/1/2/3: p_o .7, p_e .5·.6+.5·.4 = .5, kappa .4."""
    found = agreement(_ratings(*[1] * 5, *[0] * 5), _ratings(1, 1, 1, 1, 0, 1, 1, 0, 0, 0))
    assert (found.n, found.same, found.within_one) == (10, 0.7, 1.0)
    assert found.kappa == pytest.approx(0.4)
    assert found.weighted_kappa == pytest.approx(0.4)  # with two ratings both are one
    three = agreement(_ratings(0, 5, 10), _ratings(0, 10, 10))
    # costs 0, 25, 0; by chance (0+25+100 + 2·(100+25+0))/9 = 375/9; 1 − 25·3/375
    assert three.weighted_kappa == pytest.approx(0.8)
    assert three.same == pytest.approx(2 / 3)


def test_what_only_one_judge_rated_is_counted() -> None:
    found = agreement(_ratings(1, None, 2, None), _ratings(1, 3, None, None))
    assert (found.n, found.only_a, found.only_b, found.neither) == (1, 1, 1, 1)
    assert (found.kappa, found.weighted_kappa, found.pearson) == (None, None, None)
    assert agreement({}, {}).same is None


@given(st.lists(st.integers(0, 10), min_size=2, max_size=20))
def test_a_judge_agrees_with_itself(values: list[int]) -> None:
    ratings: dict[str, int | None] = {str(i): value for i, value in enumerate(values)}
    found = agreement(ratings, ratings)
    assert found.same == 1
    assert found.kappa == found.weighted_kappa == (1 if len(set(values)) > 1 else None)


MODULE = """
def half(system, user):
    return 5
def stubborn(system, user):
    if "bad" in user:
        raise RuntimeError("no")
    return "10"
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_judge.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_judge", raising=False)
    return "own_judge"


def test_a_function_may_return_a_number_or_raise(module: str, tmp_path: Path) -> None:
    questions = [Question("a", "q", "r", "good"), Question("b", "q", "r", "bad")]
    assert [one.rating for one in rate(questions, FACT, Function(f"{module}:half"))] == [5, 5]
    good, bad = rate(questions, FACT, Function(f"{module}:stubborn"), Cache(tmp_path / "c"))
    assert (good.rating, bad.rating, bad.failure) == (10, None, Failure.CRASHED)
    assert bad.detail == "RuntimeError: no"


def test_an_edited_function_is_another_judge(module: str, tmp_path: Path) -> None:
    before = dict(Function(f"{module}:half").identity)
    (tmp_path / "own_judge.py").write_text(MODULE.replace("return 5", "return 6"))
    assert Function(f"{module}:half").identity != before


@pytest.mark.parametrize("name", ["nocolon", "no_such_module_x:f", "own_judge:nothing", "own_judge:__name__"])
def test_a_name_that_is_no_function(module: str, name: str) -> None:
    with pytest.raises(UserError) as caught:
        Function(name)
    assert caught.value.where == "--function"


def test_a_damaged_cache_entry_is_asked_again(module: str, tmp_path: Path) -> None:
    judge, cache = Function(f"{module}:half"), Cache(tmp_path / "c")
    questions = [Question("a", "q", "r", "x")]
    rate(questions, FACT, judge, cache)
    (path,) = (tmp_path / "c").rglob("*.json")
    path.write_text('{"answer": "9"}')
    assert rate(questions, FACT, judge, cache)[0].rating == 9  # it is the cache that spoke
    path.write_text('{"ans')
    assert rate(questions, FACT, judge, cache)[0].rating == 5


def test_a_local_model_answers_with_and_without_a_template(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = [str(n) for n in range(11)] + ["<unk>", "<s>", "</s>"]
    raw = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        bos_token_id=12, eos_token_id=13,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    judge = LocalModel(tmp_path, max_tokens=3)
    request = FACT.ask(question="q", reference="r", answer="7")
    assert judge.answer(request) == judge.answer(request)
    assert rate([Question("a", "q", "r", "x")], FACT, judge)[0].failure in (None, Failure.UNPARSABLE)
    before = dict(judge.identity)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }} {% endfor %}{% if add_generation_prompt %}7{% endif %}"
    )
    tokenizer.save_pretrained(tmp_path)
    templated = LocalModel(tmp_path, max_tokens=3)
    assert isinstance(templated.answer(request), str)
    assert templated.identity != before
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        "{{ m['content'] }}{% endfor %}"
    )
    tokenizer.save_pretrained(tmp_path)
    assert isinstance(LocalModel(tmp_path, max_tokens=3).answer(request), str)
    with pytest.raises(UserError, match="no model in this folder"):
        LocalModel(tmp_path / "none")
