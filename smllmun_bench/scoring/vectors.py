"""Records with one field per column, made from the registry, so that a column is written once.

`ScoreVector`: what the scores of one model come to; the columns that are means of items, None where there are none.
Memory columns are open questions only; understanding, general and language columns every kind but passages; all are
macro by identity. `passages` is the mean probability per token of the language part's passages, `language_loss` the
same as a loss: the mean of −ln p over passages, in nats per token, at most `LARGEST_LOSS`. `meaningful` and the refusal
rates are plain means over the written answers: refusals on forget memory, and over-refusals on retain memory,
understanding, general and language questions. `broken` is over all answers, written or chosen.

`ColumnFields`: base of records that hold the scalars too, each column within its range.
"""

from dataclasses import dataclass, field, make_dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, create_model

from smllmun_bench.config import Frozen
from smllmun_bench.scoring.columns import MEANS, SCALARS

if TYPE_CHECKING:  # what a checker can know of them: each column is a number or missing

    @dataclass(frozen=True)
    class ScoreVector:
        def __init__(self, **columns: float | None) -> None: ...
        def __getattr__(self, column: str) -> float | None: ...

    class ColumnFields(Frozen):
        def __getattr__(self, column: str) -> float | None: ...

else:
    ScoreVector = make_dataclass(
        "ScoreVector",
        [(column.name, float | None, field(default=None)) for column in MEANS],
        namespace={"__module__": __name__},
        frozen=True,
        slots=True,
    )
    ColumnFields = create_model(
        "ColumnFields",
        __base__=Frozen,
        __module__=__name__,
        **{  # the means first: the order of manifests and goldens that were written before
            column.name: (Annotated[float, Field(ge=column.least, le=column.most)] | None, None)
            for column in (*MEANS, *SCALARS)
        },
    )
