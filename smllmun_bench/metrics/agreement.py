"""How well a classifier agrees with labels: confusion matrix, F1 per class, macro-F1."""

from collections import Counter
from collections.abc import Sequence


def confusion(wanted: Sequence[str], given: Sequence[str]) -> dict[tuple[str, str], int]:
    """(label, given) -> how many. Raises ValueError for unequal lengths.

    >>> confusion(["a", "a", "b"], ["a", "b", "b"])
    {('a', 'a'): 1, ('a', 'b'): 1, ('b', 'b'): 1}
    """
    return dict(sorted(Counter(zip(wanted, given, strict=True)).items()))


def f1_per_class(counts: dict[tuple[str, str], int], classes: Sequence[str]) -> dict[str, float]:
    """2·hits / (labelled + given) of each class, in [0, 1]; 0 for a class that neither side uses.

    >>> f1_per_class({("a", "a"): 1, ("a", "b"): 1, ("b", "b"): 1}, "ab")
    {'a': 0.6666666666666666, 'b': 0.6666666666666666}
    """
    found = {}
    for name in classes:
        labelled = sum(n for (want, _), n in counts.items() if want == name)
        given = sum(n for (_, got), n in counts.items() if got == name)
        found[name] = 2 * counts.get((name, name), 0) / max(labelled + given, 1)
    return found


def macro_f1(counts: dict[tuple[str, str], int], classes: Sequence[str]) -> float:
    """Mean F1 over the classes, each with the same weight, in [0, 1].

    >>> macro_f1({("a", "a"): 9, ("b", "a"): 1}, "ab") < 0.5
    True
    """
    return sum(f1_per_class(counts, classes).values()) / len(classes)


def markdown(counts: dict[tuple[str, str], int], classes: Sequence[str]) -> str:
    r"""The matrix as a Markdown table: a row per label, a column per given class, F1 last.

    >>> print(markdown({("a", "a"): 1}, "ab"))
    | label \\ given | a | b | F1 |
    | --- | --- | --- | --- |
    | a | 1 | 0 | 1.000 |
    | b | 0 | 0 | 0.000 |
    """
    scores = f1_per_class(counts, classes)
    lines = [["label \\\\ given", *classes, "F1"], ["---"] * (len(classes) + 2)]
    for want in classes:
        lines.append([want, *(str(counts.get((want, got), 0)) for got in classes), f"{scores[want]:.3f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
