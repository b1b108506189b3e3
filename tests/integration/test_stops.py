"""What ends a text: the model's own stop tokens, those that a config or an option adds, and where they are written."""
import h5py
import numpy as np
import pytest

import gguf_files as gf
from program import harness
from sweeps import run, write_jsonl

INI = """[sweep]
name = stops
output = {out}
[model m]
target = {target}
{key} = {model}
{more}
[dataset d]
path = {data}
{forced}
max_new_tokens = 60
[policy llma]
[accept greedy]
"""


def model(path, **keys):
    """A random model whose end tokens are these keys; "eos" is the usual one unless it is named."""
    g = gf.make_model(seed=5)
    for name, token in keys.items():
        g.put(f"tokenizer.ggml.{name}_token_id", gf.U32, token)
    return g.save(path)


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    """What the model says when only EOS, which it does not say, ends a text."""
    folder = tmp_path_factory.mktemp("free")
    sweep(folder, model(folder / "m.gguf"))
    ids = outputs(folder)[0]
    assert len(ids) == 60 and 2 not in ids
    return ids


def first(ids, token):
    return ids.index(token) + 1


def write_ini(folder, path, more="", target="transformer", forced="", records=None):
    data = write_jsonl(folder / "d.jsonl", records or [{"id": "a", "prompt": "the cat is in the hat", "output": "cat"}])
    ini = folder / "stops.ini"
    ini.write_text(INI.format(out=folder, target=target, key="path" if target == "transformer" else "tokenizer",
                              model=path, more=more, data=data, forced=forced))
    return ini


def sweep(folder, path, *args, check=True, **options):
    return run("sweep", write_ini(folder, path, **options), *args, check=check)


def outputs(folder):
    with h5py.File(folder / "stops.h5") as f:
        ids, offset = f["tokens/ids"][()].tolist(), f["tokens/offset"][()]
        return [ids[offset[i]:offset[i + 1]] for i in range(len(offset) - 1)]


def column(folder, table, name):
    with h5py.File(folder / "stops.h5") as f:
        return [v.decode() if isinstance(v, bytes) else int(v) for v in f[table][name]]


@pytest.mark.parametrize("key", ["eot", "eom"])
def test_a_text_ends_at_every_token_of_the_set(tmp_path, free, key):
    end = free[20]
    sweep(tmp_path, model(tmp_path / "m.gguf", **{key: end}))
    want = free[:first(free, end)]
    assert outputs(tmp_path) == [want, want], "plainly and with drafts"
    assert column(tmp_path, "trials", "truncated") == [0, 0]
    assert column(tmp_path, "trials", "equal") == [1, 1]
    assert set(column(tmp_path, "cells", "stop_ids")) == {f"2 {end}"}
    assert set(column(tmp_path, "cells", "stop")) == {""}


def test_a_config_adds_to_the_set(tmp_path, free):
    path = model(tmp_path / "m.gguf")
    end, other = free[20], next(i for i in range(259, 300) if i not in free)
    want = free[:first(free, end)]
    spelled = gf.PIECES[end]
    assert '"' not in spelled and "'" not in spelled
    sweep(tmp_path, path, more=f"stop = {other},\n  \"{spelled}\"")
    assert outputs(tmp_path) == [want, want]
    added = " ".join(map(str, sorted([end, other])))
    assert set(column(tmp_path, "cells", "stop")) == {added}
    assert set(column(tmp_path, "cells", "stop_ids")) == {"2 " + added}
    by_spelling = column(tmp_path, "cells", "id")

    sweep(tmp_path, path, more=f"stop = {end}, {other}, </s>")
    assert column(tmp_path, "cells", "id") == by_spelling, "the same set, however it is written"


def test_the_set_is_part_of_a_cells_identity(tmp_path, free):
    path = model(tmp_path / "m.gguf")
    ids = []
    for more in ["", f"stop = {free[20]}", "stop = 3"]:
        sweep(tmp_path, path, more=more)
        ids.append(tuple(column(tmp_path, "cells", "id")))
    assert len(set(ids)) == 3
    sweep(tmp_path, path, more="stop = 2")  # the model's own
    assert tuple(column(tmp_path, "cells", "id")) == ids[0]
    harness("collect", tmp_path / "stops")
    text = harness("tables", tmp_path / "stops.h5").text
    assert " stop " in text.splitlines()[next(i for i, l in enumerate(text.splitlines()) if "policy" in l)]


def test_two_models_of_one_file_with_other_sets(tmp_path, free):
    path = model(tmp_path / "m.gguf")
    sweep(tmp_path, path, more=f"stop = {free[20]}\n[model n]\ntarget = transformer\npath = {path}")
    lengths = dict(zip(column(tmp_path, "cells", "model"), column(tmp_path, "trials", "tokens")))
    assert lengths == {"m": first(free, free[20]), "n": 60}


def test_a_recording_gets_eos_unless_a_stop_token_ends_it(tmp_path):
    path = model(tmp_path / "m.gguf", eot=265)
    records = [{"id": "a", "prompt": "a", "output_ids": [260, 261]}, {"id": "b", "prompt": "a", "output_ids": [260, 265]},
               {"id": "c", "prompt": "a", "output_ids": [260, 2]}, {"id": "d", "prompt": "a", "output_ids": [260, 266]}]
    sweep(tmp_path, path, target="replay", forced="forced = yes", records=records, more="stop = 266")
    assert outputs(tmp_path)[:4] == [[260, 261, 2], [260, 265], [260, 2], [260, 266]]
    assert column(tmp_path, "trials", "truncated") == [0] * 8


@pytest.mark.parametrize("record, message", [
    ({"output_ids": [260, 265, 261]}, "output_ids[1] is 265, which ends a text (only the last id may)"),
    ({"output_ids": [260, 266, 261]}, "output_ids[1] is 266, which ends a text (only the last id may)"),
    ({"output": "\x01\x02\x03"}, "which ends a text (only the last id may)"),
])
def test_a_stop_token_inside_a_recording_is_refused(tmp_path, record, message):
    done = sweep(tmp_path, model(tmp_path / "m.gguf", eot=265), check=False, target="replay", forced="forced = yes",
                 records=[{"id": "a", "prompt": "a", **record}], more="stop = 266, <0x02>")
    assert done.returncode == 2
    assert f"{tmp_path}/d.jsonl:1: " in done.stderr and message in done.stderr


def test_added_tokens_do_not_matter_to_recordings_that_are_not_followed(tmp_path):
    sweep(tmp_path, model(tmp_path / "m.gguf"), records=[{"id": "a", "prompt": "a", "output_ids": [260, 266, 261]}],
          more="stop = 266")


@pytest.mark.parametrize("stop, message", [
    ("<|im_end|>", 'text "<|im_end|>" is not a token (a spelling in the vocabulary, or an id from 0 to {last})'),
    ("2, {n}", "id {n} is not a token (a spelling in the vocabulary, or an id from 0 to {last})"),
    ("3, 3", "stop lists 3 twice (each value once)"),
    ("3,,4", "stop has an empty value"),
    ("", "stop has no value"),
])
def test_bad_stop_tokens(tmp_path, stop, message):
    names = {"n": len(gf.PIECES), "last": len(gf.PIECES) - 1}
    done = sweep(tmp_path, model(tmp_path / "m.gguf"), check=False, more="stop = " + stop.format(**names))
    assert done.returncode == 2
    assert f"{tmp_path}/stops.ini:7: " in done.stderr and message.format(**names) in done.stderr
    assert not (tmp_path / "stops").exists()


def test_set_overrides_the_key(tmp_path):
    ini = write_ini(tmp_path, model(tmp_path / "m.gguf"), more="stop = 3")
    done = run("sweep", "-n", ini, "--set", "model m.stop=nothing", check=False)
    assert done.returncode == 2 and "--set" in done.stderr and '"nothing" is not a token' in done.stderr


def test_generate_ends_there_too(tmp_path, free):
    path = model(tmp_path / "m.gguf")
    end, other = free[20], next(i for i in range(259, 300) if i not in free)
    prompt = ["generate", "-m", path, "-p", "the cat is in the hat", "-n", 60]
    assert harness(*prompt).error.startswith("60 tokens ")
    done = harness(*prompt, "--stop", other, "--stop", gf.PIECES[end], "--check")
    assert done.error.startswith(f"{first(free, end)} tokens ") and "cut at" not in done.error
    bad = run(*prompt, "--stop", "<|x|>", check=False)
    assert bad.returncode == 2 and 'harness: --stop: text "<|x|>" is not a token (a spelling' in bad.stderr
    assert harness("generate", "-m", model(tmp_path / "eot.gguf", eot=end), *prompt[3:]).error.startswith(
        f"{first(free, end)} tokens ")


def test_evaluate_ends_at_the_models_own(tmp_path, free):
    end = free[20]
    path = model(tmp_path / "m.gguf", eot=end)
    data = write_jsonl(tmp_path / "d.jsonl", [{"id": "a", "prompt": "the cat is in the hat",
                                               "output_ids": free[:first(free, end)]}])
    text = harness("evaluate", "-m", path, data).text
    assert "100.0%" in text, "the output is exact"


def test_inspect_shows_the_set(tmp_path):
    def line(path):
        return [l for l in harness("inspect", path).text.splitlines() if l.startswith("stops ")]

    assert line(model(tmp_path / "m.gguf", eot=265)) == [f'stops        2 "</s>", 265 "{gf.PIECES[265]}"']
    g = gf.put_tokenizer(gf.Gguf().put("general.architecture", gf.STRING, "llama"),
                         [*gf.PIECES[:2], "</x>", *gf.PIECES[3:]])
    path = tmp_path / "none.gguf"
    g.save(path)
    assert line(path) == ['stops        2 "</x>"']


def test_an_older_schema_is_refused_with_the_way_out(tmp_path):
    sweep(tmp_path, model(tmp_path / "m.gguf"))
    with h5py.File(tmp_path / "stops.h5", "r+") as f:
        f.attrs["schema_version"] = np.int32(9)
    done = run("tables", tmp_path / "stops.h5", check=False)
    assert done.returncode == 2
    assert "schema version is 9 (this program reads 10: run the sweep again)" in done.stderr
