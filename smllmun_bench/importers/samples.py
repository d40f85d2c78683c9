"""Sample logs of other harnesses: what each row says, and what the rows come to. Knows no harness."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from smllmun_bench.importers.aggregation import AGGREGATIONS, MEANS, OF_LIKELIHOOD, Logged
from smllmun_bench.importers.files import Object, Place, as_number
from smllmun_bench.importers.gold import bare_answer, right_option
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
    """One answer: its text, or the log-probability of every option. `metrics`: what the row says under each name."""

    place: Place
    doc_id: int
    filter: str
    target: str
    text: str
    options: tuple[float, ...] | None
    metrics: Mapping[str, object]
    doc: Object = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A metric that is one number in each row: mean over its `n` rows and a 95 % bootstrap interval over the rows."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Filtered:
    """The rows of one filter of one log.

    `accuracy` is ours: options by log-probability, letters and yes/no by the strict parser, a short answer by exact
    match with the target. It is None, and `no_accuracy` says why, where the log has no bare answer to hold against.
    `unparsed` answers are wrong. `chance_corrected` only where every row has equally many options. `differs` counts
    rows where the log records another verdict under a name of `ACCURACY`.

    Of the log's own metrics `recorded` are means of rows, `figures` are of the whole set by the set's own formula, and
    `left_out` are names of those that the rows do not give.
    """

    filter: str
    form: str
    n: int
    accuracy: Recorded | None
    no_accuracy: str
    chance_corrected: float | None
    unparsed: int | None
    differs: int
    recorded: Mapping[str, Recorded]
    figures: Mapping[str, float]
    left_out: tuple[str, ...]


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
    right_options = [right_option(s.target, len(s.options or ()), s.doc, s.place) for s in group if form == "options"]
    without = _no_accuracy(form, group, right_options)
    recorded, figures, left_out = _metrics(group)
    verdicts = [] if without else _verdicts(form, group, right_options)
    right = [float(verdict is True) for verdict in verdicts]
    accuracy = _recorded(right) if right else None
    sizes = {len(sample.options or ()) for sample in group}
    width = sizes.pop() if accuracy is not None and form == "options" and len(sizes) == 1 else 0
    return Filtered(
        filter=name,
        form=form,
        n=len(group),
        accuracy=accuracy,
        no_accuracy=without,
        chance_corrected=chance_corrected(accuracy.mean, width) if accuracy is not None and width > 1 else None,
        unparsed=None if without else sum(verdict is None for verdict in verdicts),
        differs=_differs(group, right),
        recorded=recorded,
        figures=figures,
        left_out=left_out,
    )


def _form(group: Sequence[Sample]) -> str:
    if any(OF_LIKELIHOOD & sample.metrics.keys() for sample in group):
        return "log-likelihood"
    if all(sample.options is not None for sample in group):
        return "options" if all(len(sample.options or ()) > 1 for sample in group) else "log-likelihood"
    targets = [sample.target.strip() for sample in group]
    if all(bare(target) in ("yes", "no") for target in targets):
        return "yes/no"
    letters = sum(map(_is_letter, targets))
    if letters == len(targets):
        return "letter"
    return "letter or text" if 2 * letters > len(targets) else "text"  # as MMMU has it


def _is_letter(target: str) -> bool:
    return len(target) == 1 and target in ascii_uppercase


def _no_accuracy(form: str, group: Sequence[Sample], right_options: Sequence[int | None]) -> str:
    """Why there is nothing to hold the answers against; "" if there is."""
    if form == "log-likelihood":
        return "a likelihood was taken, nothing was answered"
    if all(sample.target.strip() in ("", "None") for sample in group):
        return "the log holds no targets"
    if form in ("letter or text", "text") and not all(bare_answer(sample.target) for sample in group):
        return "the targets are no bare answers (worked solutions, lists, long texts)"
    if form != "options":
        return ""
    if None in right_options:
        return "the log does not say of each row which one option is right"
    if any("acc_mutual_info" in sample.metrics for sample in group):
        return "unconditional log-probabilities stand among the options"
    shares = [value for s in group if isinstance(value := s.metrics.get("acc"), int | float) and value not in (0, 1)]
    return "the log's accuracies are shares: several options are right" if shares else ""


def _verdicts(form: str, group: Sequence[Sample], right_options: Sequence[int | None]) -> list[bool | None]:
    """Right, wrong, or None: unparsed."""
    if form == "options":
        chosen = [choose_by_logprob(sample.options or ()) for sample in group]
        return [None if one is UNPARSED else one == right for one, right in zip(chosen, right_options, strict=True)]
    letters = max([4, *(ascii_uppercase.find(sample.target.strip()) + 1 for sample in group)])  # at least so many
    return [_verdict(sample, form, letters) for sample in group]


def _verdict(sample: Sample, form: str, letters: int) -> bool | None:
    if form == "yes/no":
        said = parse_yes_no(sample.text)
        return None if said is UNPARSED else said is (bare(sample.target) == "yes")
    if form.startswith("letter") and _is_letter(sample.target.strip()):
        # The log does not hold the options' texts: stand-ins that no answer contains leave the letter rungs.
        unknown = [f"\ue000option {number}\ue000" for number in range(letters)]
        choice = parse_choice(sample.text, unknown)
        return None if choice is UNPARSED else ascii_uppercase[choice] == sample.target.strip()
    return match.exact(sample.text, (sample.target,)) == 1


def _differs(group: Sequence[Sample], right: Sequence[float]) -> int:
    logged = next((name for name in ACCURACY if any(name in sample.metrics for sample in group)), "")
    pairs = zip(group, right, strict=True) if right else ()
    return sum(logged in sample.metrics and (sample.metrics[logged] == 1) != (ours == 1) for sample, ours in pairs)


# -- the log's own metrics ---------------------------------------------------------------------------------------------


def _metrics(group: Sequence[Sample]) -> tuple[dict[str, Recorded], dict[str, float], tuple[str, ...]]:
    """(means of rows, figures of the set, what the rows do not give)."""
    logged: dict[str, list[tuple[object, Place]]] = {}
    for sample in group:
        for name, value in sample.metrics.items():
            if isinstance(value, bool | int | float | list | dict):  # null and text are no figures
                logged.setdefault(name, []).append((value, sample.place.at(name)))
    recorded, figures, left_out = {}, {}, []
    for name, rows in logged.items():
        if name in AGGREGATIONS:
            figure = AGGREGATIONS[name](rows)
            if figure is None:
                left_out.append(name)
            else:
                figures[name] = figure
        elif all(_is_one_number(value, any_fields=name in MEANS) for value, _ in rows):
            recorded[name] = _recorded(_numbers(rows))
        else:
            left_out.append(name)
    return recorded, figures, tuple(left_out)


def _is_one_number(value: object, *, any_fields: bool) -> bool:
    """A number, or an object with a score and an id: with other fields beside it, the set has a formula of its own."""
    if not isinstance(value, dict):
        return isinstance(value, bool | int | float)
    others = () if any_fields else value.keys() - {"score"}
    plain = isinstance(value.get("score"), bool | int | float)
    return plain and all(key.lower().endswith(("id", "index", "idx")) for key in others)


def _numbers(rows: Logged) -> list[float]:
    plain = [(value["score"] if isinstance(value, dict) else value, place) for value, place in rows]
    return [float(value) if isinstance(value, bool) else as_number(value, place) for value, place in plain]


def _recorded(values: Sequence[float]) -> Recorded:
    rows = [str(number) for number in range(len(values))]
    interval = bootstrap(values, rows, seed=0, draws=1000)
    return Recorded(macro(values, rows), interval.low, interval.high, len(values))


# -- what the two harnesses share --------------------------------------------------------------------------------------


def integer(value: object, place: Place) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise place.fault("expected a whole number")
    return value


def text_of(value: object, place: Place) -> str:
    if not isinstance(value, str):
        raise place.fault("expected text")
    return value


def target_of(value: object, place: Place) -> str:
    """Text; older logs of lm-evaluation-harness keep the type that the task gives it (numbers, lists, nothing)."""
    if isinstance(value, dict):
        raise place.fault("expected a target: text, a number or a list")
    return value if isinstance(value, str) else repr(value)


def document(value: object) -> Object:
    """The row's document; empty where the log leaves it out."""
    return value if isinstance(value, dict) else {}


def response(value: object, place: Place, *, losses: bool = False) -> tuple[str, tuple[float, ...] | None]:
    """(text, None) of a generated answer, ("", log-probabilities) of one or several that were weighed.

    Text may stand bare or inside one or two lists; of repeats the first counts. Options are `[log-probability,
    is-greedy]` pairs, whose numbers are written as text. `losses`: pairs may hold mean losses, none below 0, instead.
    """
    pairs = value if isinstance(value, list) else []
    if pairs and all(isinstance(pair, list) and len(pair) == 2 and _is_flag(pair[1]) for pair in pairs):
        found = [_number(pair[0], place.at(str(number))) for number, pair in enumerate(pairs)]
        if losses and all(number >= 0 for number in found):
            found = [-number for number in found]
        for number, one in enumerate(found):
            if one > 0:
                raise place.at(str(number)).fault(f"{one:g} is no log-probability: those are not above 0")
        return "", tuple(found)
    while isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, str):
        raise place.fault("neither text nor a list of [log-probability, is-greedy] pairs")
    return value, None


def _is_flag(value: object) -> bool:
    return isinstance(value, bool) or value in ("True", "False")


def _number(value: object, place: Place) -> float:
    """A NaN makes the choice unparsed; −inf is an option that cannot be."""
    if not isinstance(value, str):
        return as_number(value, place)
    try:
        return float(value)
    except ValueError:
        raise place.fault(f"{value!r} is no log-probability") from None
