"""Sample logs of lmms-eval: `<time>_samples_<task>.jsonl`, one row per document.

Answers are nested in one of four ways, by version and number of requests; `resps` is left out where it equals
`filtered_resps`. Options are weighed by their mean loss (least is best) or, by some models, by log-probability. A
metric may be an object; what else than a score and an id it holds, the set's own formula needs.
"""

from pathlib import Path

from smllmun_bench.importers.files import Place, need, read_lines
from smllmun_bench.importers.samples import Filtered, Sample, document, integer, response, summarise, text_of

_OWN = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "token_counts", "doc_hash", "input_media",
    "input", "filter",
}  # fmt: skip


def read_lmms_eval(path: Path) -> list[Filtered]:
    """Scores of the log. Raises UserError naming file, row and key."""
    samples = []
    for number, row in read_lines(path):
        place = Place(path, row=str(number))
        key = "filtered_resps" if "filtered_resps" in row or "resps" not in row else "resps"
        text, options = response(need(row, key, place), place.at(key), losses=True)
        samples.append(
            Sample(
                place,
                integer(need(row, "doc_id", place), place.at("doc_id")),
                text_of(row.get("filter", "none"), place.at("filter")),
                text_of(need(row, "target", place), place.at("target")),
                text,
                options,
                {name: value for name, value in row.items() if name not in _OWN},
                document(row.get("doc")),
            )
        )
    return summarise(samples)
