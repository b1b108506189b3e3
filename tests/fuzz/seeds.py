"""Writes what fuzzing starts from into a folder: for each fuzzer a folder NAME of small valid inputs, and for some NAME.dict.

    seeds.py FOLDER [SEED_FILES]    SEED_FILES: the program that writes those which need our own writers
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
import gguf_files as gf

FOLDER = pathlib.Path(sys.argv[1])


def seed(fuzzer, name, data):
    (FOLDER / fuzzer).mkdir(parents=True, exist_ok=True)
    (FOLDER / fuzzer / name).write_bytes(data if isinstance(data, bytes) else data.encode())


# Where the words are that a fuzzer's inputs are made of: string literals of these sources become its dictionary.
WORDS = {
    "gguf": ["engine/gguf/gguf*.c", "engine/model/architecture*.c", "engine/model/architectures/*.c", "engine/tokenizer/tokenizer_gguf.c"],
    "tokenizer": ["engine/tokenizer/tokenizer*.c"],
    "pretokenizer": ["tests/unit/test_tokenizer_bpe.c"],
    "chat": ["engine/tokenizer/chat*.*"],
    "jsonl": ["datasets/*.c"],
    "audit": ["datasets/*.c"],
    "ini": ["experiments/sweep/config*.c", "experiments/training/train_config.c", "experiments/ini/*.c", "engine/policies/*.c",
            "engine/rules/*.c", "datasets/*.c"],
    "cost": ["experiments/sweep/cost.c"],
    "recommend": ["engine/policies/*.c"],
    "words": ["engine/policies/*.c", "engine/rules/*.c", "store/fields.def", "experiments/commands/*.c", "analysis/metrics.c"],
}


def write_dictionaries():
    for fuzzer, patterns in WORDS.items():
        found = set()
        for pattern in patterns:
            for path in ROOT.glob(pattern):
                text = re.sub(r"/\*.*?\*/|^#include.*?$", "", path.read_text(), flags=re.S | re.M)
                found.update(re.findall(r'"((?:[^"\\\n]|\\["\\nt]){1,32})"', text))
                if path.suffix == ".def":
                    found.update(re.findall(r"\w+, (\w+)", text))
        texts = {t.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"').replace("\\\\", "\\") for t in found if "%" not in t}
        lines = ['"' + "".join(f"\\x{b:02x}" if b in b'"\\' or not 32 <= b < 127 else chr(b) for b in t.encode()) + '"'
                 for t in sorted(texts)]
        (FOLDER / fuzzer).with_suffix(".dict").write_text("\n".join(lines) + "\n")


def gguf_seeds():
    folder = FOLDER / "gguf"
    folder.mkdir(parents=True, exist_ok=True)
    gf.write_vocab(folder / "vocab.gguf")
    for pre in ("gpt-2", "llama-bpe", "qwen2", "deepseek-v3", None):
        gf.write_bpe_vocab(folder / f"bpe_{pre}.gguf", pre=pre, merges=["t h", "th e", "_ the"])
    g = gf.Gguf(alignment=64)
    for kind in (gf.U8, gf.I8, gf.U16, gf.I16, gf.U32, gf.I32, gf.F32, gf.BOOL, gf.U64, gf.I64, gf.F64):
        g.put(f"one.{kind}", kind, 1).put_array(f"two.{kind}", kind, [0, 1])
    g.put("text", gf.STRING, "a").put_array("texts", gf.STRING, ["a", "", "b"])
    g.put_stored("known", (3, 2), 0, bytes(24)).put_stored("unknown", (256,), 12, bytes(144)).save(folder / "types.gguf")


def text_seeds():
    texts = ["It's 1,234 o'clock: don't WAIT!\r\n\n  x\t", "caf\u00e9 \u4f60\u597d \u0645\u0631\u062d\u0628\u0627 e\u0301", "def f(x):\n    return x<=3",
             " " * 9 + "\u3000\n ", b"\xff\xfe<s>\xe2\x96\x81".decode("latin1")]
    for i, text in enumerate(texts):
        for kind in (0, 1, 13, 22, 30, 40, 52, 60):
            seed("pretokenizer", f"{kind}_{i}", bytes([kind, (0, 130, 255)[i % 3]]) + text.encode())
    pieces = "1\u2581\n1t\n1h\n1e\n1th\n1the\n1\u2581the\n4<tool>\n3<ctl>\n2<unk>\n"
    seed("tokenizer", "spm", bytes([0, 0, 3]) + pieces.encode() + b"\0\0 the cat<tool>")
    seed("tokenizer", "spm_no_bytes", bytes([2, 0, 1]) + pieces.encode() + b"\0\0the the")
    for kind in (0, 1, 2, 22, 40, 52, 62):
        seed("tokenizer", f"bpe_{kind}",
             bytes([1, kind, 5]) + "1th\n1the\n4<tool>\n3<ctl>\n".encode() + b"\0t h\nth e\n\0the the<tool>\n 12 " + texts[1].encode())


def chat_seeds():
    templates = {
        "chatml": "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n'}}",
        "llama3": "<|start_header_id|><|end_header_id|><|eot_id|> | trim",
        "gemma": "<start_of_turn><end_of_turn> | trim",
        "phi3": "<|user|><|assistant|><|end|><|system|>",
        "mistral": "[INST] [/INST]",
        "zephyr": "<|user|>\n<|assistant|>\n eos_token",
        "none": "",
    }
    turns = b"\0Be brief.\n\1Hi\n\2<think>so</think>Hello\n\1 And now? \n"
    for i, (name, template) in enumerate(templates.items()):
        seed("chat", name, bytes([0, 0]) + template.encode() + b"\0" + turns)
    for i in range(24):
        seed("chat", f"named_{i}", bytes([3, i]) + b"\0" + turns)


def jsonl_seeds():
    lines = {
        "native": '{"id": "a", "prompt": "p q", "references": ["r s", {"text": "t"}], "output": "q r", "scenario": "rag"}\n'
                  '{"id": "b", "prompt_ids": [1, 2], "reference_ids": [[3]], "output_ids": [4, 5]}\n',
        "chat": '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}\n',
        "tools": '{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}, {"role": "tool", '
                 '"content": "5", "tool_call_id": "c"}, {"role": "assistant", "content": null, "tool_calls": []}]}\n',
        "sharegpt": '{"id": "1", "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}\n',
        "spec_bench": '{"question_id": 1, "category": "qa", "turns": ["one", "two"], "reference": []}\n',
        "llma": '{"query": "q", "docs": ["d e f", "g"], "results": [{"text": "e f"}]}\n',
        "ms_marco": '{"query": "q", "query_id": 3, "answers": ["a"], "passages": {"passage_text": ["p"], "is_selected": [1]}}\n',
        "humaneval": '{"task_id": "HumanEval/0", "prompt": "def f():\\n", "canonical_solution": "  pass\\n", '
                     '"entry_point": "f", "test": "x"}\n',
        "ragtruth": '{"id": "0", "source_id": "7", "model": "m", "response": "r", "source_info": "text", "prompt": "p", '
                    '"task_type": "Summary"}\n',
    }
    for name, text in lines.items():
        seed("jsonl", name, b"\0\0" + text.encode())
        seed("jsonl", name + "_skip", b"\0\x7e" + text.encode() + b"not JSON\n" + text.encode())
    seed("jsonl", "escapes", b'\0\0{"id": "\\u00e9\\ud83d\\ude00\\u0000", "prompt": "\\n", "references": [], "output": ""}\n\n')
    two = '{"id": "a", "prompt": "p", "output": "%s"}\n{"id": "b", "prompt": "p", "output": "%s"}\n'
    for flags in (0, 1, 2, 5):
        seed("audit", f"two_{flags}", bytes([flags]) + (two % ("the cat", "sat")).encode() + b"\0" + (two % ("the cow", "sat")).encode())
    seed("audit", "ids", b'\1{"id": "a", "prompt_ids": [1, 5], "output_ids": [6, 7, 2]}\n\0{"id": "a", "output_ids": [6, 8]}\n')


def config_seeds():
    for path in sorted(ROOT.glob("experiments/configs/*.ini")) + [ROOT / "datasets/models/copier.ini"]:
        seed("ini", path.stem, path.read_bytes()[:6000])
    sweep = ("[sweep]\nname = a\noutput = r\nrepeats = 2\n[model m]\ntarget = replay\ntokenizer = bytes\n[dataset d]\n"
             "path = d.jsonl\nforced = yes\n[policy llma]\nn = 1, 2\nk = 4\n[policy chain c]\nstages = pld > llma n=2\n[accept greedy]\n")
    seed("ini", "small", sweep)
    seed("ini", "override", sweep.encode() + b"\0policy llma.n=3,4")
    seed("ini", "quotes", "; c\n[a b]\nk = \"x, y\" , 'z'\n  more\n# d\n[e]\n")
    seed("cost", "full", "[cost]\nmodel = m\nthreads = 2\nrounds = 11\nloaded = no\n[T 0]\n1 = 52e6 51e6 53e6\n4 = 60e6 59e6 61e6\n"
                         "16 = 99e6 98e6 100e6\n[T 512]\n1 = 58e6 57e6 59e6\n4 = 66e6 65e6 67e6\n16 = 110e6 109e6 111e6\n")
    seed("cost", "plain", "[T]\n1 = 5\n2 = 6\n")


def word_seeds():
    words = {
        0: ["policy=llma,pld", "n=1", "llma.max_n=5", "k=4,8"],
        1: ["^(.*)_[0-9]+$", "[ab]", "conversation", "documents", "a|b", "(a*)*b"],
        2: ["none", "llma:n=1", "llma:n=1,k=4"],
        3: ["llma:n=2,k=20,cross=yes", "pld:n=3", "chain:stages=\"suffix > llma n=2 at_least=4\"", "adaptive:k=32", "suffix",
            "recycle:memory=cell", "rest:store=/dev/null", "lookahead"],
        4: ["greedy", "coupled:temperature=0.7", "typical:eps=0.1,delta=0.3", "rejection:top_p=0.9"],
        5: ["\0sweep\n-n\nx.ini\n--set\na.b=c", "\1-m\nx\n-p\nhi\n--policy=llma", "\3tables\n--where\na=b\nx.h5", "\x05-j4\n--jobs=3\n--\n-x"],
    }
    for language, texts in words.items():
        for i, text in enumerate(texts):
            seed("words", f"{language}_{i}", bytes([language]) + text.encode())
    for kind in range(4):
        for i, candidates in enumerate(("", "llma:n=1,k=20,sources=prompt\npld", "chain:stages=pld n=3 > llma k=8 at_least=2\nadaptive:memory=cell",
                                        "rest:store='/dev/null'\nchain:stages=\"rest store='/dev/null' > pld\"\nsuffix_tree:form=tree")):
            seed("recommend", f"{kind}_{i}", bytes([kind, 67 * i % 256]) + f"data, a b.jsonl\n~m'{i}\n{'t.cost' if i else ''}\n{candidates}\n".encode())


def edit_seeds():
    for kind in range(3):
        for how in range(6):
            seed("schema", f"{kind}_{how}", bytes([kind, 3, how, 0, how, 1, 2, 3, 40, 2, how, 4, 1, 0, 20, 3]))
    for table in range(6):
        seed("rows", f"table_{table}", bytes([table & 1 | 6, table, 0, 5]) + b"text\n" + bytes([table, 1, 9]) + b"\0\0\0\0\0\0\xf8\x7f")


FOLDER.mkdir(parents=True, exist_ok=True)
write_dictionaries()
gguf_seeds()
text_seeds()
chat_seeds()
jsonl_seeds()
config_seeds()
word_seeds()
edit_seeds()
if len(sys.argv) > 2:
    subprocess.run([sys.argv[2], str(FOLDER)], check=True)
