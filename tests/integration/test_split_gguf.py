"""Models in several files, as llama.cpp's gguf-split makes them."""
import copy
import hashlib

import gguf_files as gf
import h5py
import pytest

from program import harness
from sweeps import run, write_jsonl

PROMPT = ["-p", "the man", "-n", "6", "--hash"]


def split(g, folder, name="m", counts=(5, 9), total=None):
    """Writes a model's tensors in parts: `counts` of them, and the rest. The paths."""
    bounds = [0, *(sum(counts[:i + 1]) for i in range(len(counts))), len(g.tensors)]
    paths = []
    for no, (begin, end) in enumerate(zip(bounds, bounds[1:])):
        part = copy.deepcopy(g) if no == 0 else gf.Gguf(g.version)
        part.put("split.no", gf.U16, no).put("split.count", gf.U16, len(counts) + 1)
        part.put("split.tensors.count", gf.I32, len(g.tensors) if total is None else total)
        part.tensors = g.tensors[begin:end]
        paths.append(part.save(folder / f"{name}-{no + 1:05}-of-{len(counts) + 1:05}.gguf"))
    return paths


def refused(path, *says):
    for command in ["inspect", path], ["generate", "-m", path, *PROMPT]:
        error = harness(*command, status=2).error
        for text in says:
            assert text in error, error


@pytest.mark.parametrize("counts", [(5, 9), (0, 3), (1,), (20,)])
def test_parts_are_the_whole(tmp_path, counts):
    whole = gf.make_model("Q8_0").save(tmp_path / "whole.gguf")
    paths = split(gf.make_model("Q8_0"), tmp_path, counts=counts)
    assert harness("generate", "-m", paths[0], *PROMPT).text == harness("generate", "-m", whole, *PROMPT).text
    for args in ["-m", paths[0].name], ["-m", f"./{paths[0].name}"]:
        assert harness("generate", *args, *PROMPT, cwd=tmp_path).text == harness("generate", "-m", whole, *PROMPT).text


def test_inspect_shows_them(tmp_path):
    g = gf.make_model("Q8_0")
    paths = split(g, tmp_path)
    text = harness("inspect", paths[0]).text
    assert f"{paths[0]}: GGUF version 3, {sum(p.stat().st_size for p in paths)} bytes, " in text
    for i, path in enumerate(paths):
        assert f"\npart {i + 1} of 3: {path}, {path.stat().st_size} bytes\n" in text
    rows = {row.split()[0]: row.split() for row in text.splitlines() if row.split()}
    for i, (name, _, _, stored) in enumerate(g.tensors):
        part = 1 if i < 5 else 2 if i < 14 else 3
        assert rows[name][-1] == str(part) and rows[name][-3] == str(len(stored))
        at = int(rows[name][-2])
        assert paths[part - 1].read_bytes()[at:at + len(stored)] == stored
    assert "part" not in harness("inspect", g.save(tmp_path / "whole.gguf")).text.replace("kv_heads", "")
    assert "\ntransformer  yes: llama" in text


def test_quantize_writes_one_file(tmp_path):
    whole = gf.make_model("F16").save(tmp_path / "whole.gguf")
    paths = split(gf.make_model("F16"), tmp_path)
    harness("quantize", "-t", "q8_0", whole, tmp_path / "a.gguf")
    harness("quantize", "-t", "q8_0", paths[0], tmp_path / "b.gguf")
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


def test_results_know_all_parts(tmp_path):
    paths = split(gf.make_model("Q8_0"), tmp_path)
    write_jsonl(tmp_path / "d.jsonl", [{"id": "a", "prompt": "the man", "references": ["the man"]}])
    (tmp_path / "c.ini").write_text(
        f"[sweep]\nname = s\noutput = out\n[model m]\ntarget = transformer\npath = {paths[0]}\n[dataset d]\npath = d.jsonl\n"
        "max_new_tokens = 4\n[policy llma]\nn = 1\nk = 4\n[accept greedy]\n")
    run("sweep", "-q", tmp_path / "c.ini")
    with h5py.File(tmp_path / "out" / "s.h5") as f:
        digests = set(f["cells"]["model_sha256"])
    assert digests == {hashlib.sha256(b"".join(p.read_bytes() for p in paths)).hexdigest().encode()}


def test_only_the_first_part_opens(tmp_path):
    paths = split(gf.make_model(), tmp_path)
    for i in 1, 2:
        refused(paths[i], f"{paths[i]}: is part {i + 1} of 3 of a model (the first part opens all: {paths[0]})")


def test_no_part_is_written_over(tmp_path):
    first, part, _ = split(gf.make_model(), tmp_path)
    kept = part.read_bytes()
    for args in ["quantize", "-t", "q8_0", first], ["make-model", "--tokenizer", first]:
        error = harness(*args, part, status=2).error
        assert f"{part}: cannot be the output: it is the same file as the input {part}" in error
        assert part.read_bytes() == kept


def test_a_part_is_missing(tmp_path):
    paths = split(gf.make_model(), tmp_path)
    paths[1].unlink()
    refused(paths[0], f"{paths[1]}: cannot open: No such file", "in several parts, which must lie in one folder")


@pytest.mark.parametrize("name", ["m-00001-of-00003.gguf", "model.gguf"])
def test_the_first_part_may_be_a_link(tmp_path, name):
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    paths = split(gf.make_model("Q8_0"), tmp_path / "real")
    link, chained = tmp_path / "links" / name, tmp_path / "links" / f"x{name}"
    link.symlink_to("../real/" + paths[0].name)
    chained.symlink_to(name)
    text = harness("generate", "-m", paths[0], *PROMPT).text
    assert harness("generate", "-m", link, *PROMPT).text == harness("generate", "-m", chained, *PROMPT).text == text
    assert f"\npart 3 of 3: {tmp_path}/links/../real/{paths[2].name}, " in harness("inspect", link).text
    paths[2].unlink()
    missing = link.parent / ("" if name.startswith("m-") else "../real") / paths[2].name
    refused(link, f"{missing}: cannot open: No such file", "in several parts, which must lie in one folder")


def test_parts_beside_a_link_come_first(tmp_path):
    """As in a download cache, where all parts are links to files with other names."""
    (tmp_path / "blobs").mkdir()
    paths = split(gf.make_model("Q8_0"), tmp_path)
    text = harness("generate", "-m", paths[0], *PROMPT).text
    for i, path in enumerate(paths):
        path.symlink_to(path.rename(tmp_path / "blobs" / f"{i}f"))
    (tmp_path / "model.gguf").symlink_to(paths[0].name)
    for first in paths[0], tmp_path / "model.gguf":
        assert harness("generate", "-m", first, *PROMPT).text == text


def test_another_name(tmp_path):
    paths = split(gf.make_model(), tmp_path)
    for i, path in enumerate(paths):
        other = path.rename(tmp_path / f"other{i}.gguf")
        refused(other, f"{other}: is part {i + 1} of 3 of a model, but has another name (NAME-0000{i + 1}-of-00003.gguf)")


def test_parts_that_are_others(tmp_path):
    paths = split(gf.make_model(), tmp_path)
    (tmp_path / "four").mkdir()
    four = split(gf.make_model(), tmp_path / "four", counts=(1, 2, 3))
    kept = paths[1].read_bytes()
    paths[1].write_bytes(paths[2].read_bytes())
    refused(paths[0], f"{paths[1]}: says that it is part 3 of 3 (part 2 of 3, as {paths[0]} says)")
    paths[1].write_bytes(four[1].read_bytes())
    refused(paths[0], f"{paths[1]}: says that it is part 2 of 4 (part 2 of 3, as {paths[0]} says)")
    gf.write_model(paths[1])
    refused(paths[0], f"{paths[1]}: says that it is part 1 of 1 (part 2 of 3, as {paths[0]} says)")
    (tmp_path / "shifted").mkdir()
    shifted = split(gf.make_model(), tmp_path / "shifted", counts=(4, 10))
    paths[1].write_bytes(shifted[1].read_bytes())
    refused(paths[0], 'tensor "', "is given twice")
    shifted = split(gf.make_model(), tmp_path / "shifted", counts=(5, 8))
    paths[1].write_bytes(shifted[1].read_bytes())
    refused(paths[0], f"{paths[0]}: split.tensors.count is {len(gf.make_model().tensors)}, but the parts hold ")
    paths[1].write_bytes(kept[:len(kept) // 2])
    refused(paths[0], f"{paths[1]}: ", "was its download or copy interrupted?")


@pytest.mark.parametrize("no, count, says", [
    (3, 3, "split.no is 3 (0 to 2, as split.count is 3)"),
    (0, 0, "split.count is 0 (1 to 65535)"),
    (0, 70000, "split.count is 70000 (1 to 65535)"),
])
def test_places_that_cannot_be(tmp_path, no, count, says):
    g = gf.make_model().put("split.no", gf.U32, no).put("split.count", gf.U32, count)
    refused(g.save(tmp_path / "m-00001-of-00003.gguf"), says)


def test_one_of_one_is_an_ordinary_file(tmp_path):
    g = gf.make_model().put("split.no", gf.U16, 0).put("split.count", gf.U16, 1)
    harness("generate", "-m", g.save(tmp_path / "m.gguf"), *PROMPT)
