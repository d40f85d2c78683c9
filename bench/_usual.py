"""What most evaluation scripts do: one image and one prompt at a time through the processor and `generate`."""

import torch

from smllmun_bench.models.vlm import Query, Vlm


@torch.inference_mode()
def one_by_one(vlm: Vlm, query: Query, longest: int) -> str:
    content = [{"type": "image"} for _ in query.images] + [{"type": "text", "text": query.question}]
    prompt = vlm.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    images = [vlm.source.image(ref).convert("RGB") for ref in query.images] or None
    inputs = vlm.processor(text=prompt, images=images, return_tensors="pt").to(vlm.device, vlm.dtype)
    inputs.pop("token_type_ids", None)
    out = vlm.model.generate(**inputs, do_sample=False, max_new_tokens=longest)
    answer = vlm.processor.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return str(answer).strip()
