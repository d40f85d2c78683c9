"""The draws behind one row's interval: 20,000 at a time as matrix products, against 1,000 one after another.

A row of the toy's size: three seeds, target and gold, about 2,000 items each. The other way is the one that a script
would write: draw people and seeds, average every column, put `overall` together, again and again. It draws a twentieth
of what ours does; both have to give the same interval, as far as 1,000 draws can tell.
"""

import random
from collections.abc import Mapping, Sequence

import numpy as np
from _result import Result, in_turns, parser, result, show

from smllmun_bench.schema import Kind, Modality, Role, Score
from smllmun_bench.scoring.columns import DRAWN, identity
from smllmun_bench.scoring.intervals import DRAWS, interval, row_draws
from smllmun_bench.scoring.summary import overall, score_vector
from smllmun_bench.scoring.vectors import ScoreVector

USUAL = 1000
SIZES = {  # role -> people, questions about each in each modality; nobody is asked about twice in general questions
    Role.FORGET: (20, 3),
    Role.RETAIN: (180, 2),
    Role.UNDERSTANDING_FORGET: (20, 9),
    Role.UNDERSTANDING_RETAIN: (180, 3),
    Role.GENERAL: (267, 1),
}


def made(seed: int, forgotten: float) -> list[Score]:
    """Scores of a model that knows the share 1 − `forgotten` of what is to be forgotten, and most of the rest."""
    chance, found = random.Random(seed), []
    for role, (people, questions) in SIZES.items():
        memory = role in (Role.FORGET, Role.RETAIN)
        for modality in (Modality.IMAGE_TEXT, Modality.TEXT) if memory else (Modality.IMAGE_TEXT,):
            for number in range(people * questions):
                who = "" if role is Role.GENERAL else f"{'forget' in role}{number // questions}"
                right = float(chance.random() < (1 - forgotten if role is Role.FORGET else 0.9))
                name = f"{role}{modality}{number}"
                state = "correct" if right else "wrong"
                found.append(Score(name, who, role, modality, Kind.OPEN, state, right, {"meaningful": 1.0}))
    return found


def one_by_one(runs: Sequence[Sequence[Score]], target: Sequence[Score], gold: Sequence[Score]) -> np.ndarray:
    """`overall` in 1,000 draws."""
    chance = np.random.default_rng(0)
    models = [*runs, target, gold]
    means: list[dict[str, dict[str, float]]] = []
    for scores in models:
        found: dict[str, dict[str, list[float]]] = {}
        for score in scores:
            for column in DRAWN:
                if (value := column.value(score)) is not None:
                    found.setdefault(column.name, {}).setdefault(identity(score), []).append(value)
        means.append({name: {who: sum(v) / len(v) for who, v in each.items()} for name, each in found.items()})
    pools: dict[str, set[str]] = {}
    for column in DRAWN:
        pools.setdefault(column.pool, set()).update(who for model in means for who in model.get(column.name, ()))
    names = {pool: sorted(found) for pool, found in pools.items()}
    measured = [score_vector(scores) for scores in models]
    values = []
    for _ in range(USUAL):
        drawn = {pool: chance.choice(len(who), len(who)) for pool, who in names.items() if who}
        vectors = [_drawn(model, measured[n], names, drawn) for n, model in enumerate(means)]
        each = [overall(vector, vectors[-2], vectors[-1]) for vector in vectors[:-2]]
        values.append(np.mean([each[n] for n in chance.choice(len(runs), len(runs))]))
    return np.array(values, dtype=float)


def _drawn(
    model: Mapping[str, Mapping[str, float]],
    measured: ScoreVector,
    names: Mapping[str, Sequence[str]],
    drawn: Mapping[str, np.ndarray],
) -> ScoreVector:
    values = {name: getattr(measured, name) for name in ScoreVector.__slots__}  # type: ignore[attr-defined]
    for column in DRAWN:
        if column.name in model:
            who = (names[column.pool][n] for n in drawn[column.pool])
            known = [model[column.name][name] for name in who if name in model[column.name]]
            values[column.name] = sum(known) / len(known) if known else values[column.name]
    return ScoreVector(**values)


def compare(rounds: int) -> list[Result]:
    runs, target, gold = [made(seed, 0.7) for seed in range(3)], made(10, 0.0), made(11, 1.0)
    found: dict[str, np.ndarray] = {}
    mine, other = in_turns(
        lambda: found.update(ours=row_draws(runs, target, gold)["overall"]),
        lambda: found.update(other=one_by_one(runs, target, gold)),
        rounds,
    )
    ours, theirs = interval(found["ours"]), interval(found["other"])
    equal = max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 0.02
    return [result(f"{DRAWS} draws of a row against {USUAL} in a loop", mine, other, "s", equal=equal)]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=5)
    arguments = options.parse_args()
    show(compare(arguments.rounds), as_json=arguments.json)


if __name__ == "__main__":
    main()
