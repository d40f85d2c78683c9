"""What judges said of a run, as `judge` and `show` print it."""

import warnings
from typing import TYPE_CHECKING

from smllmun_bench.cli._tables import lines_table
from smllmun_bench.errors import PassedOver, UserError

if TYPE_CHECKING:
    from smllmun_bench.judge.judged import Judged
    from smllmun_bench.report.table import FittedTable
    from smllmun_bench.results.run_folder import RunFolder


def judged_summary(found: "Judged") -> "list[FittedTable | str]":
    """Ratings by role and modality, then the paper's composites that they give."""
    from smllmun_bench.judge.judged import cells, paper_composites

    lines = [
        (
            *(cell.role.value, cell.modality.value, cell.n, cell.rated, _number(cell.mean)),
            f"{cell.worst:.2f} … {cell.best:.2f}",
            ", ".join(f"{count} {why}" for why, count in cell.failures.items()) or None,
        )
        for cell in cells(found)
    ]
    prompt = found.prompt
    title = f"{prompt.name}, version {prompt.version} ({prompt.fidelity.value}), judged by {found.judge['model']}"
    columns = ("role", "modality", "n", "rated", "mean", "whatever the rest is", "not rated")
    scale = f"(paper's, scale {prompt.lowest} to {prompt.highest})"
    composites = [
        f"{name.replace('_', ' ')} {scale}: {value:.3f}" for name, value in paper_composites(found) if value is not None
    ]
    return [lines_table(title, columns, lines), *composites]


def judged_parts(run: "RunFolder") -> "list[FittedTable | str]":
    """The same of every judged file beside a run's scores; one that rates other answers is named and left out."""
    from smllmun_bench.judge import judged
    from smllmun_bench.results.run_folder import ITEMS
    from smllmun_bench.store.hashing import file_digest

    parts: list[FittedTable | str] = []
    for path in judged.files(run.folder):
        try:
            found = judged.read(path)
        except UserError as error:
            warnings.warn(PassedOver(f"a judge's ratings are left out: {error}"), stacklevel=2)
            continue
        if found.items_digest == file_digest(run.folder / ITEMS):
            parts += judged_summary(found)
        else:
            parts.append(f"{path.name} rates other answers than this run has now: `smllmun-bench judge` rates these")
    return parts


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
