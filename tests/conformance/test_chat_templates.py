"""Chat formats on the templates that real models carry: equal to Jinja's rendering."""
import os
import pathlib
import struct

import pytest

from test_chat import conversations, render, render_by_jinja, write_chats

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class Metadata:
    """The values of a GGUF file, but of arrays only strings."""

    def __init__(self, path):
        with open(path, "rb") as self.file:
            self.file.seek(16)
            self.values = dict(self.read_pair() for _ in range(self.take("Q")))

    def take(self, form):
        return struct.unpack("<" + form, self.file.read(struct.calcsize(form)))[0]

    def read_pair(self):
        return self.read(STRING), self.read(self.take("I"))

    def read(self, kind):
        if kind == STRING:
            return self.file.read(self.take("Q")).decode("utf-8", "replace")
        if kind != ARRAY:
            return self.take(SCALARS[kind])
        item, n = self.take("I"), self.take("Q")
        return [self.read(item) for _ in range(n)]


def files():
    folders = [ROOT / "datasets" / "data"]
    if os.environ.get("HARNESS_DATA"):
        folders += [pathlib.Path(os.environ["HARNESS_DATA"]) / name for name in ("tokenizers", "models", "data/tokenizers")]
    return sorted(path for folder in folders if folder.is_dir() for path in folder.glob("*.gguf"))


# What "auto" recognises; files with other templates are refused with a list of the formats.
KNOWN = {"smollm2-135m-instruct": "chatml", "ggml-vocab-qwen2": "chatml", "ggml-vocab-phi-3": "phi3-first"}


@pytest.mark.parametrize("path", files() or [None], ids=lambda path: path.name if path else "none")
def test_templates_of_models(path, tmp_path):
    known = path is not None and next((name for name in KNOWN if path.name.lower().startswith(name)), None)
    if not known:
        pytest.skip("no model with a template that is known here")
    values = Metadata(path).values
    pieces = values["tokenizer.ggml.tokens"]
    bos, eos = (pieces[values[f"tokenizer.ggml.{name}_token_id"]] if f"tokenizer.ggml.{name}_token_id" in values else ""
                for name in ("bos", "eos"))
    chats = conversations()
    rendered = render(path, write_chats(tmp_path / "chats.jsonl", chats))
    for got, chat in zip(rendered, chats, strict=True):
        assert got["text"] == render_by_jinja(values["tokenizer.chat_template"], chat, bos, eos), chat
