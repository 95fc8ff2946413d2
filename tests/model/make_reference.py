"""Makes the reference numbers of `test_parity.py` with llama.cpp; run by hand.

Needs `llama-cpp-python` (any build), which the project itself does not:

    python tests/model/make_reference.py MODEL FILE.gguf [--full FULL.npy]

For every prompt, llama.cpp writes its greedy text. Kept for each of its positions, from the last of
the prompt on: the token, the likeliest token, llama.cpp's margin over the second and a sketch of
the logits. The result lies in `reference/`; `--full` also keeps the whole logits elsewhere.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from sketch import sketch

REFERENCE_DIR = Path(__file__).parent / "reference"
NUM_TOKENS = 48

CHAT = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
INNKEEPER = "You are Mara, an innkeeper in a small village. Answer in one short sentence."
PROMPTS = {
    "smollm2-135m": [
        CHAT.format(INNKEEPER, "Good evening! Do you have a room for the night?"),
        CHAT.format(INNKEEPER, "What's on the menu today?"),
        CHAT.format("You are Borin, a gruff smith.", "How much for that sword over there?"),
        CHAT.format("You are a town guard.", "I saw a thief run towards the market. Help!"),
        CHAT.format("You are a wandering merchant.", "Tell me a story about the northern road."),
        CHAT.format("You are a helpful assistant.", "What is the capital of France, and why?"),
        CHAT.format("You are a helpful assistant.", "List three uses of iron."),
        CHAT.format("You are a helpful assistant.", "Write a Python function that adds 2 numbers."),
        "Once upon a time, in a village by the sea,",
        "The 4 seasons are spring, summer, autumn and winter. In 1999, it was",
        "Ingredients:\n- 2 eggs\n- 100 g flour\n- milk\n\nInstructions:\n1.",
        "\u00c9tait-il une fois \u2014 na\u00efve caf\u00e9s, 12,345 \u20ac and \U0001f600 emoji:",
    ],
    "gemma3-270m": [
        "The capital of France is",
        "Once upon a time, in a village by the sea,",
        'The innkeeper wiped the counter and said: "',
        "To forge a good sword, the smith first has to",
        "The 4 seasons are spring, summer, autumn and winter. In 1999, it was",
        "Ingredients:\n- 2 eggs\n- 100 g flour\n- milk\n\nInstructions:\n1.",
        'def fibonacci(n):\n    """Return the n-th number."""\n',
        "Q: Why is the sky blue?\nA:",
        "\u00c9tait-il une fois \u2014 na\u00efve caf\u00e9s, 12,345 \u20ac and \U0001f600 emoji:",
        "Der Wirt stellte das Bier auf den Tisch und",
        "Dear Sir or Madam,\n\nI am writing to",
        "| Item | Price |\n|---|---|\n| Sword | 120 |\n| Shield |",
    ],
}


def run(llm: Any, prompt: str, add_bos: bool) -> tuple[list[int], int, Any]:
    """Token ids, how many of them are the prompt, and float32[NUM_TOKENS + 1, vocab]."""
    ids = llm.tokenize(prompt.encode(), add_bos=add_bos, special=True)
    num_prompt = len(ids)
    llm.reset()
    llm.eval(ids)
    rows = [np.array(llm.scores[len(ids) - 1], np.float32)]
    for _ in range(NUM_TOKENS):
        ids.append(int(rows[-1].argmax()))
        llm.eval(ids[-1:])
        rows.append(np.array(llm.scores[len(ids) - 1], np.float32))
    return ids, num_prompt, np.stack(rows)


def main() -> None:
    """Write `reference/MODEL.json` and `reference/MODEL.npz`."""
    from llama_cpp import Llama

    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=PROMPTS)
    parser.add_argument("gguf")
    parser.add_argument("--full")
    args = parser.parse_args()
    llm = Llama(args.gguf, n_ctx=1024, n_batch=512, logits_all=True, verbose=False)
    add_bos = llm.metadata.get("tokenizer.ggml.add_bos_token") != "false"
    records, sketches, full = [], [], []
    for prompt in PROMPTS[args.model]:
        ids, num_prompt, logits = run(llm, prompt, add_bos)
        best = np.sort(logits, axis=-1)[:, -2:]
        records.append(
            {
                "prompt": prompt,
                "num_prompt_tokens": num_prompt,
                "token_ids": ids,
                "top_ids": logits.argmax(axis=-1).tolist(),
                "margins": [round(float(high - low), 4) for low, high in best],
            }
        )
        sketches.append(sketch(logits).astype(np.float16))
        full.append(logits)
        print(repr(llm.detokenize(ids[num_prompt:]).decode(errors="replace")))
    REFERENCE_DIR.mkdir(exist_ok=True)
    target = REFERENCE_DIR / f"{args.model}.json"
    target.write_text(json.dumps(records, separators=(",", ":")) + "\n", encoding="utf-8")
    np.savez_compressed(REFERENCE_DIR / f"{args.model}.npz", np.concatenate(sketches))
    if args.full:
        np.save(args.full, np.concatenate(full))


if __name__ == "__main__":
    main()
