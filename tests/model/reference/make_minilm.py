"""Writes minilm.npz: vectors of all-MiniLM-L6-v2 in float32, from torch and transformers.

Run outside of the project's environment, which has neither:
`python make_minilm.py MODEL_DIR` with torch 2.13.0, transformers 5, numpy and PyYAML, where
MODEL_DIR holds config.json, model.safetensors and tokenizer.json.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import yaml
from tokenizers import Tokenizer
from transformers import BertModel

HERE = Path(__file__).parent
ODD_TEXTS = [
    "?",
    "a",
    "12 x 12 = 144",
    "Grüß dich, Wirtin! Hast du noch Bier?",
    "Où est le marché, s'il vous plaît ?",
    "¿Dónde está el molino?",
    "鍛冶屋はどこですか",
    "ALL CAPS AND NO MANNERS!!!",
    "...",
    "😀 hello 😀",
    "tab\tand\nnew line",
    "supercalifragilistic antidisestablishmentarian blacksmithery",
    "The miller's daughter said that the bridge, which had been built by her grandfather before "
    "the flood, would not carry a cart laden with grain, let alone three knights and their horses.",
    " ".join(["I walked from the tavern to the mill and back again, and it rained."] * 20),
    "x" * 99,
]


def main(model_dir: Path) -> None:
    lines = yaml.safe_load((HERE.parents[1] / "understanding/lines.yaml").read_text("utf-8"))
    texts = [line["text"] for part in ("dev", "test") for line in lines[part]] + ODD_TEXTS
    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    model = BertModel.from_pretrained(model_dir, add_pooling_layer=False).eval()
    rows = []
    with torch.no_grad():
        for text in texts:
            token_ids = torch.tensor([tokenizer.encode(text).ids])
            row = model(token_ids).last_hidden_state[0].mean(dim=0).numpy()
            rows.append(row / np.linalg.norm(row))
    np.savez_compressed(
        HERE / "minilm.npz", texts=np.array(texts), vectors=np.array(rows, np.float16)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
