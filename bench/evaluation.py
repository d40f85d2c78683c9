"""Asking the toy its questions: length-sorted batches and images seen once, against one question at a time.

    python bench/evaluation.py [--items 1000] [--batch-size 128] [--rounds 3] [--json]

The questions are those of a run that are answered in words; 200 of them give less, since loading the model is ours too.
"""

from _result import in_turns, parser, result, show
from _toy import target_path, toy_context
from _usual import one_by_one

from smllmun_bench.models.loading import load
from smllmun_bench.models.vlm import Query
from smllmun_bench.schema import Fold, Item, Kind
from smllmun_bench.stages.predicting import question_of


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--items", type=int, default=1000)
    options.add_argument("--batch-size", type=int, default=128)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    context = toy_context()
    path = target_path(context)
    asked = [item for item in context.data.evaluation(Fold.TEST) if item.kind is not Kind.CHOICE]
    items: list[Item] = asked[:: max(1, len(asked) // arguments.items)][: arguments.items]
    queries = [Query(question_of(item, context.task), item.images) for item in items]
    longest = context.task.generation.max_new_tokens
    plain = load(path, context.data)
    said: dict[str, list[str]] = {}

    def ours() -> None:
        vlm = load(path, context.data)  # a new one each round: nothing is remembered from the last
        answers = vlm.generate(queries, max_new_tokens=longest, batch_size=arguments.batch_size)
        said["ours"] = [answer.text for answer in answers]

    def other() -> None:
        said["other"] = [one_by_one(plain, query, longest) for query in queries]

    for item in items:
        for ref in item.images:
            context.data.image(ref)  # both read finished images
    ours_s, other_s = in_turns(ours, other, arguments.rounds)
    show(
        [
            result(
                "evaluation", ours_s / len(items), other_s / len(items), "s/item", equal=said["ours"] == said["other"]
            )
        ],
        as_json=arguments.json,
    )


if __name__ == "__main__":
    main()
