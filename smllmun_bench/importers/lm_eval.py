"""Sample logs of lm-evaluation-harness: `samples_<task>_<time>.jsonl`, one row per document and filter."""

from pathlib import Path

from smllmun_bench.importers.files import Place, need, read_lines
from smllmun_bench.importers.samples import Filtered, Sample, document, integer, response, summarise, target_of, text_of

# Everything else at the top of a row is a metric, where the row does not list its metrics.
_OWN = {
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics",
    "doc_hash", "prompt_hash", "target_hash",
}  # fmt: skip


def read_lm_eval(path: Path) -> list[Filtered]:
    """Scores of each filter. Raises UserError naming file, row and key.

    `filter`, `metrics` and the hashes may be missing, as in older logs.
    """
    samples = []
    for number, row in read_lines(path):
        place = Place(path, row=str(number))
        listed = row.get("metrics")
        if listed is not None and not (isinstance(listed, list) and all(isinstance(name, str) for name in listed)):
            raise place.at("metrics").fault("expected a list of names")
        names = [name for name in row if name not in _OWN] if listed is None else listed
        for name in names:
            need(row, name, place)
        text, options = response(need(row, "filtered_resps", place), place.at("filtered_resps"))
        samples.append(
            Sample(
                place,
                integer(need(row, "doc_id", place), place.at("doc_id")),
                text_of(row.get("filter", "none"), place.at("filter")),
                target_of(need(row, "target", place), place.at("target")),
                text,
                options,
                {name: row[name] for name in names},
                document(row.get("doc")),
            )
        )
    return summarise(samples)
