"""Asking the toy its questions: length-sorted batches and images seen once, against one question at a time.

    python bench/evaluation.py [--items 200] [--batch-size 128] [--rounds 3] [--json]

The usual loop prepares one image and one prompt with the processor and calls `generate`, as most evaluation scripts do.
"""

import torch
from _result import in_turns, parser, result, show
from _toy import target_path, toy_shop

from smllmun_bench.models.vlm import Query, load
from smllmun_bench.pipeline.predict import question_of
from smllmun_bench.schema import Fold, Item, Kind


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--items", type=int, default=200)
    options.add_argument("--batch-size", type=int, default=128)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    shop = toy_shop()
    path = target_path(shop)
    asked = [item for item in shop.data.evaluation(Fold.TEST) if item.kind is not Kind.CHOICE]
    items: list[Item] = asked[:: max(1, len(asked) // arguments.items)][: arguments.items]
    questions = [question_of(item, shop.task) for item in items]
    longest = shop.task.generation.max_new_tokens
    plain = load(path, shop.data)
    said: dict[str, list[str]] = {}

    def ours() -> None:
        vlm = load(path, shop.data)  # a new one each round: nothing is remembered from the last
        queries = [Query(question, item.images) for question, item in zip(questions, items, strict=True)]
        answers = vlm.generate(queries, max_new_tokens=longest, batch_size=arguments.batch_size)
        said["ours"] = [answer.text for answer in answers]

    def other() -> None:
        said["other"] = [_one_by_one(plain, q, i, shop.data, longest) for q, i in zip(questions, items, strict=True)]

    for item in items:
        for ref in item.images:
            shop.data.image(ref)  # both read finished images
    ours_s, other_s = in_turns(ours, other, arguments.rounds)
    show(
        [
            result(
                "evaluation", ours_s / len(items), other_s / len(items), "s/item", equal=said["ours"] == said["other"]
            )
        ],
        as_json=arguments.json,
    )


@torch.inference_mode()
def _one_by_one(vlm, question, item, data, longest):  # type: ignore[no-untyped-def]
    content = [{"type": "image"} for _ in item.images] + [{"type": "text", "text": question}]
    prompt = vlm.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    images = [data.image(ref).convert("RGB") for ref in item.images] or None
    inputs = vlm.processor(text=prompt, images=images, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    out = vlm.model.generate(**inputs, do_sample=False, max_new_tokens=longest)
    return vlm.processor.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()


if __name__ == "__main__":
    main()
