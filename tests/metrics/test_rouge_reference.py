"""ROUGE and BLEU equal the packages that published numbers were made with."""

import random

import pytest

from smllmun_bench.metrics.bleu import bleu
from smllmun_bench.metrics.porter import stem
from smllmun_bench.metrics.rouge import rouge_l, rouge_n

STEMS = (  # noqa: SIM905 - words read better as one string
    "relation condition paint fli dy happ sky skies generous national operat hop hopp fil agre feed bleed motor sing "
    "controll roll cease rate probat enjoy spy troubl siz tann fall hiss fizz conflat succeed inning news geolog "
    "theolog radical vile sensib formal electric hope good triplic adjust defens replac depend adopt commun angular "
    "activ effect bowdler yyyy syzygy toy 1984 2nd x1s boats ties die dies dying lying hopefully ally finally"
).split()
SUFFIXES = (
    "", "s", "es", "ed", "ing", "y", "ies", "ied", "eed", "al", "ational", "tional",
    "enci", "izer", "ably", "ally", "ently",
    "ization", "ation", "ator", "alism", "iveness", "fulness", "ousness", "ality",
    "ivity", "bility", "fully", "ology",
    "icate",
    "ative", "alize", "icity", "ical", "ful", "ness", "ance", "ement", "ment", "ent", "ion", "ism", "ous", "ize", "e",
)  # fmt: skip


def _pairs(count):
    chance = random.Random(20)
    vocabulary = [base + suffix for base in STEMS for suffix in SUFFIXES]
    marks = [" ", " ", " ", ", ", ". ", "-", "'s ", " é ", "\n"]

    def text(low):
        return "".join(chance.choice(vocabulary) + chance.choice(marks) for _ in range(chance.randint(low, 15)))

    for _ in range(count):
        reference = text(1)
        words = reference.split()
        chance.shuffle(words)
        yield chance.choice([text(0), " ".join(words), reference.upper()]), reference


@pytest.mark.parametrize("use_stemmer", [False, True])
def test_rouge_equals_rouge_score(use_stemmer):
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer)
    for prediction, reference in _pairs(2000):
        want = scorer.score(reference, prediction)
        got = {
            "rouge1": rouge_n(prediction, reference, 1, stem=use_stemmer),
            "rouge2": rouge_n(prediction, reference, 2, stem=use_stemmer),
            "rougeL": rouge_l(prediction, reference, stem=use_stemmer),
        }
        for name, values in want.items():
            assert got[name] == pytest.approx(tuple(values), abs=1e-9), (name, prediction, reference)


def test_stemmer_equals_nltk():
    reference = pytest.importorskip("nltk.stem.porter").PorterStemmer()
    for word in {base + suffix for base in STEMS for suffix in SUFFIXES}:
        assert stem(word) == reference.stem(word), word


def test_bleu_equals_nltk():
    nltk = pytest.importorskip("nltk.translate.bleu_score")
    smooth = nltk.SmoothingFunction().method1
    for prediction, reference in _pairs(300):
        want = nltk.sentence_bleu([reference.split()], prediction.split(), smoothing_function=smooth)
        assert bleu(prediction, reference) == pytest.approx(want, abs=1e-12), (prediction, reference)


def test_a_reference_without_words_is_a_fault_of_the_data():
    with pytest.raises(ValueError, match="no words"):
        rouge_l("a", "!?")
