"""Scoring 100,000 predictions with every string metric, states and summary included: time and memory of one process.

The other side is what a harness of packages does for ROUGE-1, -2, -L (`rouge_score`, stemmer) and BLEU (NLTK) alone, on
a sample of the same predictions, scaled to their number. Equal: those four agree on the sample to 1e-9.

python bench/scoring_scale.py [--predictions 100000] [--sample 2000] [--json]
"""

import random
import resource
import sys
import warnings
from collections.abc import Sequence

from _result import Result, parser, result, seconds, show
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_score.rouge_scorer import RougeScorer

from smllmun_bench.metrics.item_metrics import ITEM_METRICS
from smllmun_bench.schema import Direction, Item, Kind, Modality, Prediction, Role
from smllmun_bench.scoring.items import score_items
from smllmun_bench.scoring.summary import summarise
from smllmun_bench.tasks import MetricPlan

MEMORY_LIMIT_MB = 2048
HEADLINES = {
    Kind.OPEN: "key_fact",
    Kind.CLOZE: "cloze_strict",
    Kind.CAPTION: "keyword",
    Kind.CHOICE: "choice_text",
    Kind.YESNO: "yesno",
}
FROM_LOGPROBS = ("choice_logprob", "probability")
CITIES = ("Lyon", "Oslo", "Riga", "Port Nicholas", "West Andre", "Lake Debra", "Anthonychester", "Maryfurt")
JOBS = ("baker", "patent attorney", "research scientist", "midwife", "fencer", "radio producer", "dentist")
COLOURS = ("red", "blue", "green", "white", "black", "orange")


def made(count: int, seed: int = 0) -> tuple[list[Item], list[Prediction]]:
    """Items of five kinds about `count` / 20 people, and the mixture of answers that half-unlearned models give."""
    chance = random.Random(seed)
    items, predictions = [], []
    for number in range(count):
        kind = list(HEADLINES)[number % 5]
        person, role = f"p{number // 20}", (Role.FORGET, Role.RETAIN)[number // 20 % 2]
        city, job, colour = chance.choice(CITIES), chance.choice(JOBS), chance.choice(COLOURS)
        caption = (
            f"A person with {colour} hair worn long, round glasses and a {chance.choice(COLOURS)} shirt, in {city}."
        )
        question, answer, choices, keywords, right = {
            Kind.OPEN: (f"Where does person {person} live?", city, (), (), f"Person {person} lives in {city}."),
            Kind.CLOZE: (f"Person {person} works as a ____.", job, (), (), job),
            Kind.CAPTION: (f"Describe the picture of {person}.", caption, (), (colour, city), caption),
            Kind.CHOICE: (f"What does {person} do?", job, tuple(sorted({job, *JOBS[:4]})), (), f"It is {job}."),
            Kind.YESNO: (f"Does {person} live in {city}?", "yes", (), (), "Yes."),
        }[kind]
        text = chance.choices(
            (
                right,
                f"{chance.choice(JOBS)} of {number % 997} houses in {chance.choice(CITIES)}",
                f"I do not know anything about person {number % 4999}.",
                "the the " * chance.randint(4, 30),
                f"xk{number % 7919}qj vbzt wqrr",
                "",
            ),
            (35, 30, 20, 8, 5, 2),
        )[0]
        items.append(
            Item(
                item_id=f"i{number}",
                benchmark="scale",
                entity_id=person,
                role=role,
                modality=(Modality.TEXT, Modality.IMAGE_TEXT)[number % 2],
                kind=kind,
                question=question,
                answer=answer,
                choices=choices,
                accepted=(answer,),
                keywords=keywords,
                direction=Direction.DOWN,
            )
        )
        predictions.append(Prediction(f"i{number}", "run", text))
    return items, predictions


def every_string_metric() -> dict[Kind, MetricPlan]:
    names = [name for name in ITEM_METRICS if name not in (*FROM_LOGPROBS, "meaningful")]  # that one comes by itself
    return {
        kind: MetricPlan(headline=headline, also=tuple(name for name in names if name != headline))
        for kind, headline in HEADLINES.items()
    }


def packages(items: Sequence[Item], predictions: Sequence[Prediction]) -> list[tuple[float, ...]]:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    smooth = SmoothingFunction().method1
    found = []
    for item, prediction in zip(items, predictions, strict=True):
        rouge = scorer.score(item.answer, prediction.text)
        with warnings.catch_warnings(action="ignore"):
            bleu = sentence_bleu([item.answer.split()], prediction.text.split(), smoothing_function=smooth)
        found.append((rouge["rouge1"].fmeasure, rouge["rouge2"].fmeasure, rouge["rougeL"].fmeasure, float(bleu)))
    return found


def memory_mb() -> float:
    """Peak resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def compare(count: int, sample: int) -> list[Result]:
    items, predictions = made(count)
    scores = []

    def ours() -> None:
        scores.extend(score_items(items, predictions, every_string_metric()))
        summarise(scores)

    mine = seconds(ours)
    memory = memory_mb()
    chosen = range(0, count, max(1, count // sample))
    theirs: list[tuple[float, ...]] = []
    part = seconds(lambda: theirs.extend(packages([items[i] for i in chosen], [predictions[i] for i in chosen])))
    names = ("rouge_1_f1", "rouge_2_f1", "rouge_l_f1", "bleu")
    equal = all(
        abs(scores[i].values[name] - value) <= 1e-9
        for i, found in zip(chosen, theirs, strict=True)
        for name, value in zip(names, found, strict=True)
    )
    metrics = len({name for score in scores for name in score.values})
    what = f"{count} predictions, {metrics} string metrics against four of packages"
    return [
        result(what, mine, part / len(chosen) * count, "s", equal=equal),
        result(
            f"peak memory of it against the limit of {MEMORY_LIMIT_MB} MB", memory, MEMORY_LIMIT_MB, "MB", equal=equal
        ),
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--predictions", type=int, default=100_000)
    options.add_argument("--sample", type=int, default=2_000)
    arguments = options.parse_args()
    show(compare(arguments.predictions, arguments.sample), as_json=arguments.json)


if __name__ == "__main__":
    main()
