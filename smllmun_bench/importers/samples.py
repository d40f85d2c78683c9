"""Sample logs of other harnesses: what each row says, and what the rows come to. Knows no harness."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from smllmun_bench.importers.files import Object, Place, as_number
from smllmun_bench.metrics import match
from smllmun_bench.metrics.choice import (
    UNPARSED,
    chance_corrected,
    choose_by_logprob,
    parse_choice,
    parse_yes_no,
)
from smllmun_bench.metrics.statistics import bootstrap, macro
from smllmun_bench.metrics.text import bare

ACCURACY = ("acc", "exact_match", "accuracy")  # names under which a log may record what `accuracy` recomputes


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: its text, or the log-probability of every option. `metrics` are the log's own numbers."""

    place: Place
    doc_id: int
    filter: str
    target: str
    text: str
    options: tuple[float, ...] | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A metric of the log: mean over its `n` rows and a 95 % bootstrap interval over the rows."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Filtered:
    """The rows of one filter of one log.

    `accuracy` is ours: options by log-probability, letters and yes/no by the strict parser, anything else by exact
    match with the target. `unparsed` answers are wrong. `chance_corrected` only where every row has equally many
    options. `differs` counts rows where the log records another verdict under a name of `ACCURACY`.
    """

    filter: str
    form: str
    n: int
    accuracy: Recorded
    chance_corrected: float | None
    unparsed: int
    differs: int
    recorded: Mapping[str, Recorded]


def summarise(samples: Sequence[Sample]) -> list[Filtered]:
    """One summary per filter, in the order of the log. Raises UserError if a document stands twice in a filter."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.filter, []).append(sample)
    return [_summary(name, group) for name, group in groups.items()]


def _summary(name: str, group: Sequence[Sample]) -> Filtered:
    counts = Counter(sample.doc_id for sample in group)
    for sample in group:
        if counts[sample.doc_id] > 1:
            raise sample.place.at("doc_id").fault(
                f"document {sample.doc_id} stands {counts[sample.doc_id]} times under filter {name!r}",
                "one log per file; two runs may have been joined",
            )
    form = _form(group)
    verdicts = [_verdict(sample, form, _letters(group)) for sample in group]
    right = [float(verdict is True) for verdict in verdicts]
    sizes = {len(sample.options or ()) for sample in group}
    width = sizes.pop() if form == "options" and len(sizes) == 1 else 0
    accuracy = _recorded(right)
    names = list(dict.fromkeys(key for sample in group for key in sample.metrics))
    logged = next((key for key in ACCURACY if key in names), None)
    return Filtered(
        filter=name,
        form=form,
        n=len(group),
        accuracy=accuracy,
        chance_corrected=chance_corrected(accuracy.mean, width) if width > 1 else None,
        unparsed=sum(verdict is None for verdict in verdicts),
        differs=sum(
            logged in sample.metrics and (sample.metrics[logged] == 1) != (ours == 1)
            for sample, ours in zip(group, right, strict=True)
            if logged is not None
        ),
        recorded={key: _recorded([s.metrics[key] for s in group if key in s.metrics]) for key in names},
    )


def _form(group: Sequence[Sample]) -> str:
    if all(sample.options is not None for sample in group):
        return "options"
    targets = [sample.target.strip() for sample in group]
    if all(bare(target) in ("yes", "no") for target in targets):
        return "yes/no"
    if all(len(target) == 1 and target in ascii_uppercase for target in targets):
        return "letter"
    return "text"


def _letters(group: Sequence[Sample]) -> int:
    """How many options there are at least: the last letter among the targets, and never fewer than four."""
    return max([4, *(ascii_uppercase.find(sample.target.strip()) + 1 for sample in group)])


def _verdict(sample: Sample, form: str, letters: int) -> bool | None:
    """Right, wrong, or None: unparsed."""
    if form == "options":
        chosen = choose_by_logprob(sample.options or ())
        return None if chosen is UNPARSED else chosen == _index(sample)
    if form == "yes/no":
        said = parse_yes_no(sample.text)
        return None if said is UNPARSED else said is (bare(sample.target) == "yes")
    if form == "letter":
        # The log does not hold the options' texts: stand-ins that no answer contains leave the letter rungs.
        unknown = [f"\ue000option {number}\ue000" for number in range(letters)]
        choice = parse_choice(sample.text, unknown)
        return None if choice is UNPARSED else ascii_uppercase[choice] == sample.target.strip()
    return match.exact(sample.text, (sample.target,)) == 1


def _index(sample: Sample) -> int:
    place, options = sample.place.at("target"), len(sample.options or ())
    try:
        index = int(sample.target)
    except ValueError:
        raise place.fault(f"{sample.target!r} is not the number of an option", "a multiple-choice log") from None
    if not 0 <= index < options:
        raise place.fault(f"option {index} of {options}: they are counted from 0")
    return index


def _recorded(values: Sequence[float]) -> Recorded:
    rows = [str(number) for number in range(len(values))]
    interval = bootstrap(values, rows, seed=0, draws=1000)
    return Recorded(macro(values, rows), interval.low, interval.high, len(values))


# --- what the two harnesses share -------------------------------------------------------------------------------


def integer(value: object, place: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.fault("expected a whole number")
    return value


def text_of(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.fault("expected text")
    return value


def response(value: object, place: Place) -> tuple[str, tuple[float, ...] | None]:
    """(text, None) of a generated answer, ("", log-probabilities) of a multiple-choice one.

    Text may stand bare or inside one or two lists; of repeats the first counts. Options are `[log-probability,
    is-greedy]` pairs, whose numbers are written as text.
    """
    pairs = value if isinstance(value, list) else []
    if len(pairs) > 1 and all(isinstance(pair, list) and len(pair) == 2 and _is_flag(pair[1]) for pair in pairs):
        return "", tuple(_logprob(pair[0], place.at(str(number))) for number, pair in enumerate(pairs))
    while isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        raise place.fault("neither text nor a list of [log-probability, is-greedy] pairs")
    return value, None


def _is_flag(value: object) -> bool:
    return isinstance(value, bool) or value in ("True", "False")


def _logprob(value: object, place: Place) -> float:
    try:
        number = float(value) if isinstance(value, str) else as_number(value, place)
    except ValueError:
        raise place.fault(f"{value!r} is no log-probability") from None
    if math.isnan(number) or number <= 0:
        return number  # a NaN makes the choice unparsed; -inf is an option that cannot be
    raise place.fault(f"{number:g} is no log-probability: those are not above 0")


def numbers(row: Object, names: Sequence[str], place: Place) -> dict[str, float]:
    """The metrics that are one number per row; null, and figures that only make sense over the corpus, are not."""
    found: dict[str, float] = {}
    for name in names:
        value = row.get(name)
        if isinstance(value, bool):
            found[name] = float(value)
        elif isinstance(value, int | float):
            found[name] = as_number(value, place.at(name))
    return found
