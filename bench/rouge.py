"""ROUGE-L (precision, recall, f1) against the `rouge_score` package on the same pairs, without and with stemmer.

Our caches are emptied before every round, so that no round profits from the last one; what repeats inside a round, as
references and words do in a benchmark, may. Equal: all three numbers of every pair to 1e-9.

python bench/rouge.py [--pairs 2000] [--rounds 5] [--json]
"""

import random
from collections.abc import Sequence

from _result import Result, in_turns, parser, result, show
from rouge_score.rouge_scorer import RougeScorer

from smllmun_bench.metrics import porter, rouge, text

STEMS = (
    "paint",
    "walk",
    "photograph",
    "collect",
    "organis",
    "relat",
    "nation",
    "hope",
    "garden",
    "measur",
    "treat",
    "live",
)
ENDINGS = (
    "",
    "s",
    "ed",
    "ing",
    "er",
    "ers",
    "ation",
    "ations",
    "ness",
    "ful",
    "ly",
    "able",
    "ment",
    "ive",
    "al",
    "ity",
)
SMALL = "the a of in and is was to with for on at he she they who lives works near".split()  # noqa: SIM905
NAMES = [
    first + last for first in ("Nor", "Bel", "Kar", "Mos", "Lin") for last in ("ton", "burg", "ville", "haven", "sk")
]


def pairs_of(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Predictions and references like short answers and captions: 4 to 40 words, the prediction a damaged reference."""
    chance = random.Random(seed)

    def word() -> str:
        kind = chance.random()
        if kind < 0.4:
            return chance.choice(SMALL)
        return chance.choice(NAMES) if kind < 0.55 else chance.choice(STEMS) + chance.choice(ENDINGS)

    found = []
    for _ in range(count):
        reference = [word() for _ in range(chance.randint(4, 40))]
        prediction = [word() if chance.random() < 0.4 else kept for kept in reference if chance.random() < 0.9]
        found.append((" ".join(prediction) + ".", ", ".join((" ".join(reference[:5]), " ".join(reference[5:])))))
    return found


def empty_caches() -> None:
    for cached in (rouge.rouge_l, porter.stem, text.words):
        cached.cache_clear()


def compare(pairs: Sequence[tuple[str, str]], *, stem: bool, rounds: int) -> Result:
    scorer = RougeScorer(["rougeL"], use_stemmer=stem)

    def ours() -> list[rouge.Rouge]:
        return [rouge.rouge_l(prediction, reference, stem=stem) for prediction, reference in pairs]

    def theirs() -> list[tuple[float, float, float]]:
        return [tuple(scorer.score(reference, prediction)["rougeL"]) for prediction, reference in pairs]

    equal = all(
        abs(a - b) <= 1e-9 for one, two in zip(ours(), theirs(), strict=True) for a, b in zip(one, two, strict=True)
    )
    mine, other = in_turns(ours, theirs, rounds, prepare=empty_caches)
    name = f"ROUGE-L of {len(pairs)} pairs, {'with' if stem else 'without'} stemmer"
    return result(name, mine, other, "s", equal=equal)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--pairs", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=5)
    arguments = options.parse_args()
    pairs = pairs_of(arguments.pairs)
    show([compare(pairs, stem=stem, rounds=arguments.rounds) for stem in (False, True)], as_json=arguments.json)


if __name__ == "__main__":
    main()
