"""Conversations in chat formats: equal to Jinja's rendering of the templates, control tokens from the format alone."""
import datetime
import gzip
import json

import jinja2
import jinja2.sandbox
import pytest

from gguf_files import BOS, EOS, PIECES, STRING, Gguf, make_model, put_tokenizer
from program import harness
from sweeps import write_jsonl

CONTROLS = ["<|im_start|>", "<|im_end|>", "<|im_sep|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>",
            "<end_of_turn>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "[INST]", "[/INST]", "<|start_of_role|>",
            "<|end_of_role|>", "<|end_of_text|>", "<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>"]
ID = {text: len(PIECES) + i for i, text in enumerate(CONTROLS)}


def each(system, user, assistant, ask="", head=""):
    """A template that writes each turn by a Jinja expression of its text, `t`."""
    return (head + "{% for m in messages %}{% set t = m['content'] %}"
            "{% if m['role'] == 'system' %}{{ " + system + " }}{% elif m['role'] == 'user' %}{{ " + user + " }}"
            "{% else %}{{ " + assistant + " }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}{{ '" + ask + "' }}{% endif %}")


def headed(before, after, ask, trim="", head=""):
    """The same where turns differ only in the role's name."""
    return (head + "{% for message in messages %}{{ " + before + " + message['content']" + trim + " + " + after +
            " }}{% endfor %}{% if add_generation_prompt %}{{ '" + ask + "' }}{% endif %}")


FIRST_SYSTEM = ("{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] + '\\n\\n' %}"
                "{% set rest = messages[1:] %}{% else %}{% set system_message = '' %}{% set rest = messages %}{% endif %}")
ALTERNATE = "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns alternate') }}{% endif %}"
CHATML = headed("'<|im_start|>' + message['role'] + '\\n'", "'<|im_end|>\\n'", "<|im_start|>assistant\\n")


def instructed(user, assistant, system_in, head="{{ bos_token }}"):
    """[INST] templates, by what is before and after a text."""
    return (head + FIRST_SYSTEM + "{% for message in rest %}" + ALTERNATE + "{% if message['role'] == 'user' %}"
            "{{ " + user[0] + " + (system_message if loop." + system_in + " else '') + message['content'] + " + user[1] + " }}"
            "{% else %}{{ " + assistant + " + eos_token }}{% endif %}{% endfor %}")


# By format. The words in comments are what the published templates also hold, and formats are told by.
TEMPLATES = {
    "chatml": CHATML,
    "chatml, with its own system": "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou\\'re \"here\"<|im_end|>\\n' }}"
                                   "{% endif %}" + CHATML,
    "llama3": headed("'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'", "'<|eot_id|>'",
                     "<|start_header_id|>assistant<|end_header_id|>\\n\\n", " | trim", "{{ bos_token }}"),
    "llama3.1": "{{ bos_token }}{% if not date_string is defined %}{% set date_string = '26 Jul 2024' %}{% endif %}"
                "{% if messages[0]['role'] == 'system' %}{% set said = messages[0]['content']|trim %}{% set messages = messages[1:] %}"
                "{% else %}{% set said = '' %}{% endif %}{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: "
                "December 2023\\nToday Date: ' + date_string + '\\n\\n' + said + '<|eot_id|>' }}" +
                headed("'<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'", "'<|eot_id|>'",
                       "<|start_header_id|>assistant<|end_header_id|>\\n\\n", " | trim"),
    "gemma": "{{ bos_token }}" + FIRST_SYSTEM + "{% for message in rest %}" + ALTERNATE +
             "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' + "
             "(system_message if loop.first else '') }}{{ message['content'] | trim }}{{ '<end_of_turn>\\n' }}{% endfor %}"
             "{{ '<start_of_turn>model\\n' }}",
    "phi3": each("'<|system|>\\n' + t + '<|end|>\\n'", "'<|user|>\\n' + t + '<|end|>\\n'", "'<|assistant|>\\n' + t + '<|end|>\\n'",
                 "<|assistant|>\\n"),
    "phi4": "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '<|im_sep|>' + message['content'] + '<|im_end|>' }}"
            "{% endfor %}{{ '<|im_start|>assistant<|im_sep|>' }}{# '<|im_start|>assistant<|im_sep|>' + message['content'] #}",
    "mistral-v1": instructed(("' [INST] '", "' [/INST]'"), "' ' + message['content']", "first"),
    "mistral-v3": instructed(("\"[INST] \"", "\"[/INST]\""), "\" \" + message['content']|trim", "last") + "{# [AVAILABLE_TOOLS] #}",
    "mistral-v3-tekken": instructed(("\"[INST]\"", "\"[/INST]\""), "message['content']", "last") + "{# [AVAILABLE_TOOLS] #}",
    "granite": headed("'<|start_of_role|>' + message['role'] + '<|end_of_role|>'", "'<|end_of_text|>\\n'",
                      "<|start_of_role|>assistant<|end_of_role|>"),
    "zephyr": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
              "{% elif message['role'] == 'system' %}\n{{ '<|system|>\\n' + message['content'] + eos_token }}\n"
              "{% else %}\n{{ '<|assistant|>\\n' + message['content'] + eos_token }}\n{% endif %}\n"
              "{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
    "olmo2": each("'<|system|>\\n' + t + '\\n'", "'<|user|>\\n' + t + '\\n'", "'<|assistant|>\\n' + t + eos_token + '\\n'",
                  "<|assistant|>\\n", "{{ bos_token }}").replace("+ t +", "+ message['content'] +").replace("m in", "message in")
    .replace("m['", "message['"),
    "deepseek2": each("t + '\\n\\n'", "'User: ' + message['content'] + '\\n\\n'", "'Assistant: ' + message['content'] + eos_token",
                      "Assistant:", "{{ bos_token }}").replace("m in", "message in").replace("m['", "message['"),
    "deepseek3": "{% set ns = namespace(system_prompt='') %}{% for message in messages %}{% if message['role'] == 'system' %}"
                 "{% set ns.system_prompt = message['content'] %}{% endif %}{% endfor %}{{ bos_token }}{{ ns.system_prompt }}"
                 "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
                 "{% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + message['content'] + '<｜end▁of▁sentence｜>' }}"
                 "{% endif %}{% endfor %}{{ '<｜Assistant｜>' }}",
    "vicuna": each("t + '\\n\\n'", "'USER: ' + message['content'] + '\\n'", "'ASSISTANT: ' + message['content'] + '</s>\\n'",
                   "ASSISTANT:").replace("m in", "message in").replace("m['", "message['"),
}
TEXTS = ["Hello", "", "  blanks before and after \n", "two\n\nlines", "<|im_end|> <|eot_id|> </s> [INST] <end_of_turn> <|end|>", "é 日本　",
         "{{ bos_token }} \\n 'q'"]


def conversations():
    """Every text in every role, with and without a system's turn."""
    made = []
    for i, text in enumerate(TEXTS):
        other, third = TEXTS[(i + 1) % len(TEXTS)], TEXTS[(i + 3) % len(TEXTS)]
        long = [("user", text), ("assistant", other), ("user", third), ("assistant", text), ("user", other)]
        for turns in [("user", text)], [("system", text), ("user", other)], long, [("system", third)] + long:
            made.append([{"role": role, "content": content} for role, content in turns])
    return made


def render_by_jinja(template, messages, bos="<s>", eos="</s>"):
    """As transformers does it."""
    def refuse(message):
        raise jinja2.TemplateError(message)
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    env.globals.update(raise_exception=refuse, strftime_now=lambda form: datetime.date(2024, 7, 26).strftime(form))
    env.filters["tojson"] = lambda x, indent=None: json.dumps(x, ensure_ascii=False, indent=indent)
    return env.from_string(template).render(messages=messages, add_generation_prompt=True, bos_token=bos, eos_token=eos)


def write_vocab(path, template=None):
    g = put_tokenizer(Gguf().put("general.architecture", STRING, "llama"), controls=CONTROLS)
    if template is not None:
        g.put("tokenizer.chat_template", STRING, template)
    return g.save(path)


def render(model, path, *options):
    return [json.loads(line) for line in harness("render", "-m", model, path, *options).text.splitlines()]


def write_chats(path, chats):
    """Native records: any conversation that ends with a question."""
    return write_jsonl(path, [{"id": str(i), "messages": chat, "references": []} for i, chat in enumerate(chats)])


@pytest.mark.parametrize("name", TEMPLATES)
def test_formats_render_as_jinja_does(name, tmp_path):
    chats = conversations()
    path = write_chats(tmp_path / "chats.jsonl", chats)
    for template in TEMPLATES[name], TEMPLATES[name].replace("\\n", "\n"):
        model = write_vocab(tmp_path / "m.gguf", template)
        for got, chat in zip(render(model, path), chats, strict=True):
            assert got["text"] == render_by_jinja(template, chat), chat
            assert got["prompt_ids"].count(BOS) == 1 and got["prompt_ids"][0] == BOS
    assert f"\nchat         {name.split(',')[0]}\n" in harness("inspect", model).text


def test_control_tokens_come_from_the_format_alone(tmp_path):
    model = write_vocab(tmp_path / "m.gguf", CHATML)
    path = write_jsonl(tmp_path / "d.jsonl", [{"id": "a", "messages": [
        {"role": "user", "content": "<|im_end|></s>"}, {"role": "assistant", "content": "<|im_start|>yes"},
        {"role": "user", "content": "no"}, {"role": "assistant", "content": "<|im_end|> the end"}]}])
    for record in render(model, path):
        turns = len(record["references_ids"])
        assert record["prompt_ids"].count(ID["<|im_start|>"]) == turns + 1
        assert record["prompt_ids"].count(ID["<|im_end|>"]) == turns
        assert EOS not in record["prompt_ids"]
        assert record["output_ids"].count(ID["<|im_end|>"]) == 1 and record["output_ids"][-1] == ID["<|im_end|>"]


def test_none_is_the_transcript(tmp_path):
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    path = write_jsonl(tmp_path / "d.jsonl", [{"id": "a", "messages": chat}])
    plain = render(write_vocab(tmp_path / "plain.gguf"), path)
    assert plain[0]["text"] == "USER: Hi\nASSISTANT:"
    assert render(write_vocab(tmp_path / "m.gguf", CHATML), path, "--chat=none") == plain
    named = render(tmp_path / "plain.gguf", path, "--chat=vicuna")
    assert named[0]["text"] == "USER: Hi\nASSISTANT:" and named[0]["output_ids"][-1] == EOS


def test_a_prompt_becomes_a_turn_on_request(tmp_path):
    model = write_vocab(tmp_path / "m.gguf", CHATML)
    path = write_jsonl(tmp_path / "d.jsonl", [{"id": "a", "prompt": "Hi"}, {"id": "b", "prompt_ids": [5]}])
    assert [r["text"] for r in render(model, path)] == ["Hi", None]
    turned = render(model, path, "--as-turn")
    assert turned[0]["text"] == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n" and turned[1]["prompt_ids"] == [5]


def test_refusals(tmp_path):
    path = write_chats(tmp_path / "d.jsonl", [[{"role": "user", "content": "Hi"}]])
    odd = write_vocab(tmp_path / "odd.gguf", CHATML + "{{ strftime_now('%Y') }}")
    error = harness("render", "-m", odd, path, status=2).error
    assert "the model's chat template is in none of the known formats (choose one: \"none\", " in error and "\"llama3\"" in error
    assert "chat         no: the model's chat template is in none" in harness("inspect", odd).text
    assert render(odd, path, "--chat=chatml")[0]["text"].startswith("<|im_start|>user\nHi")
    assert render(odd, write_jsonl(tmp_path / "p.jsonl", [{"id": "a", "prompt": "p"}]))[0]["text"] == "p"
    assert 'unknown chat format "chatlm"; did you mean "chatml"?' in harness("render", "-m", odd, path, "--chat=chatlm", status=2).error
    bare = put_tokenizer(Gguf().put("general.architecture", STRING, "llama")).save(tmp_path / "bare.gguf")
    error = harness("render", "-m", bare, path, "--chat=llama3", status=2).error
    assert "chat format llama3: the tokenizer has no token <|start_header_id|>" in error
    ends = write_chats(tmp_path / "e.jsonl", [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "x"}]])
    assert "e.jsonl:1: the last of messages is not a user's turn" in harness("inspect", ends, status=2).error


def test_tools_arrays_and_gzip(tmp_path):
    chat = {"id": "a", "messages": [
        {"role": "user", "content": [{"type": "text", "text": "What "}, {"type": "text", "text": "time?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "now", "arguments": "{}"}}]},
        {"role": "tool", "content": "12:00"}, {"role": "assistant", "content": "Noon."}]}
    share = {"id": "b", "conversations": [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]}
    path = tmp_path / "d.json"
    path.write_text(json.dumps([chat, share], indent=1))
    model = write_vocab(tmp_path / "m.gguf", CHATML)
    error = harness("render", "-m", model, path, status=2).error
    assert "d.json:2: [0] messages[1].tool_calls is given (tools = skip leaves such turns out, tools = text keeps them as text)" in error
    skipped, other = render(model, path, "--tools=skip")
    assert skipped["text"] == "<|im_start|>user\nWhat time?<|im_end|>\n<|im_start|>assistant\n" and other["id"] == "b/1"
    kept = render(model, path, "--tools=text")[1]
    assert kept["text"].endswith("assistant\n[{\"function\":{\"name\":\"now\",\"arguments\":\"{}\"}}]<|im_end|>\n"
                                 "<|im_start|>user\n12:00<|im_end|>\n<|im_start|>assistant\n")
    packed = tmp_path / "d.jsonl.gz"
    packed.write_bytes(gzip.compress((json.dumps(share) + "\n").encode()) + gzip.compress(b'{"id": "c", "messages": 1}\n'))
    assert "d.jsonl.gz:2: messages is an integer (an array is needed)" in harness("render", "-m", model, packed, status=2).error
    packed.write_bytes(packed.read_bytes()[:60])
    assert "d.jsonl.gz: damaged gzip data" in harness("inspect", packed, status=2).error
    member = gzip.compress((json.dumps(share) + "\n").encode())
    for zeros in 1, 511, 100000:
        packed.write_bytes(member + bytes(zeros))
        assert render(model, packed)[0]["id"] == "b/1"
    for rest, at in (b"\0\0x", 2), (b"tail", 0), (b"\x1f", 0), (bytes(9) + member, 9):
        packed.write_bytes(member + rest)
        says = f"(it ends at byte {len(member)}, but at byte {len(member) + at} is more; only zeros may follow)"
        assert f"d.jsonl.gz: damaged gzip data {says}" in harness("inspect", packed, status=2).error
    for text, why in ("[{}, 3]", ":1: [0] no known format"), ('[{"id": "a", "prompt": "p"}\n{}]', ":2: [0] not JSON: a comma or the"), \
            ('[{"id": "a", "prompt": "p"},\n\n 3]', ":3: [1] an integer (an array of objects"), \
            ('[{"id": "a", "prompt": "p"}', ":1: [0] not JSON: the array has no end"), \
            ('[{"id": "a", "prompt": "p"}] x', ":1: [0] there is text after the array"):
        path.write_text(text)
        assert f"{path}{why}" in harness("inspect", path, status=2).error
    path.write_text("[]")
    assert "the file is empty" in harness("inspect", path, status=2).error


def test_generate_takes_the_prompt_as_a_turn(tmp_path):
    model = make_model(controls=CONTROLS)
    model.put("tokenizer.chat_template", STRING, CHATML)
    path = model.save(tmp_path / "m.gguf")
    chat = harness("generate", "-m", path, "-p", "Hi", "-n", "8", "--hash", "--chat", "--system", "Be it").text
    prompt = "<|im_start|>system\nBe it<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert chat == harness("generate", "-m", path, "-p", "Hi", "-n", "8", "--hash", "--chat=chatml", "--system", "Be it").text
    assert chat != harness("generate", "-m", path, "-p", prompt, "-n", "8", "--hash").text  # which is only a text
    assert "--system is given without --chat" in harness("generate", "-m", path, "-p", "Hi", "--system", "x", status=2).error
    bare = make_model().save(tmp_path / "bare.gguf")
    assert "the file has no chat template (choose a format: --chat=NAME)" in \
        harness("generate", "-m", bare, "-p", "Hi", "--chat", status=2).error
