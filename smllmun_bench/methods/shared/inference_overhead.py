"""What an answer costs more while an artifact is mounted."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smllmun_bench.models.change import Artifact
    from smllmun_bench.models.vlm import Query, Vlm
    from smllmun_bench.schema import Item

_QUESTIONS, _TOKENS, _TIMES = 16, 8, 2


def asked(items: "Sequence[Item]", paraphrases: int = 0) -> "list[Query]":
    """The questions of the rows, and each one's first `paraphrases` other wordings; none stands twice."""
    from smllmun_bench.models.vlm import Query

    return list(
        dict.fromkeys(
            Query(question, item.images)
            for item in items
            for question in (item.question, *item.paraphrases[:paraphrases])
        )
    )


def measured(artifact: "Artifact", vlm: "Vlm", items: "Sequence[Item]") -> "Artifact":
    """The artifact with its `inference_overhead`: the faster of two rounds of answers, mounted over plain, minus 1.

    A refusal that spares the model the question counts as no time saved: the overhead is never below zero.
    """
    queries = asked(items)[:_QUESTIONS]
    plain = _seconds(vlm, queries)
    with artifact.mounted(vlm):
        mounted = _seconds(vlm, queries)
    extra = sum(tensor.numel() for tensor in artifact.tensors.values())
    cost = replace(artifact.cost, inference_overhead=max(0.0, mounted / plain - 1), extra_params=extra)
    return replace(artifact, cost=cost)


def _seconds(vlm: "Vlm", queries: "Sequence[Query]") -> float:
    vlm.generate(queries, max_new_tokens=_TOKENS)  # features of the pictures, first calls
    rounds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        vlm.generate(queries, max_new_tokens=_TOKENS)
        rounds.append(time.perf_counter() - start)
    return min(rounds)
