"""Tokenizer files of the releases: the library's own ids, exact round trips, marks that data cannot spell."""

import json
import unicodedata
from pathlib import Path

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from released_tokenizers import (
    GEMMA_MARKS,
    GEMMA_PIECES,
    LLAMA_MARKS,
    QWEN_MARKS,
    TEXTS,
    byte_level,
    gemma_json,
    gemma_pieces,
    llama2_pieces,
)

from data_pipeline.errors import InputError
from data_pipeline.tokenizers import SentencePieceTokenizer, Tokenizer, encode_parts, load_tokenizer, released_tokenizer
from data_pipeline.tokenizers.released import ReleasedTokenizer

tokenizers = pytest.importorskip("tokenizers", reason="needs the extra hf")

FILES = {"qwen": byte_level(QWEN_MARKS, normalise=True), "llama3": byte_level(LLAMA_MARKS), "gemma": gemma_json()}
RELEASED: dict[str, Tokenizer] = {name: ReleasedTokenizer(content) for name, content in FILES.items()}
GEMMA_FILE = gemma_pieces()
PIECES: dict[str, Tokenizer] = {
    "gemma-pieces": SentencePieceTokenizer(GEMMA_FILE),
    "llama2-pieces": SentencePieceTokenizer(llama2_pieces()),
}
EVERY = RELEASED | PIECES
MARKS = sorted({*QWEN_MARKS, *LLAMA_MARKS, *GEMMA_MARKS, "<s>", "</s>"})
each = pytest.mark.parametrize("name", EVERY)
SPICE = (*MARKS, *GEMMA_PIECES, *TEXTS[:4], " ", "  ", "\n", "\r\n", "\x00", "\u2581", "<", "<|", "é", "😀", "<0x41>")
texts = st.lists(st.one_of(st.text(max_size=6), st.sampled_from(SPICE)), max_size=8).map("".join)


def composed(name: str, text: str) -> str:
    """What a round trip gives back: Qwen's files compose characters."""
    return unicodedata.normalize("NFC", text) if name == "qwen" else text


@each
@settings(max_examples=120)
@given(text=texts, trusted=st.booleans())
def test_every_text_comes_back(name: str, text: str, trusted: bool) -> None:
    tokenizer = EVERY[name]
    ids = tokenizer.encode(text, marks=trusted)
    if name != "qwen" or not any(mark in text for mark in MARKS):  # composing stops at a mark
        assert tokenizer.decode(ids) == composed(name, text)
    assert b"".join(map(tokenizer.token_bytes, ids)).decode() == tokenizer.decode(ids)
    assert all(0 <= i < tokenizer.vocab_size and i != tokenizer.pad_id for i in ids)


@each
@settings(max_examples=120)
@given(text=texts)
def test_data_never_becomes_a_mark(name: str, text: str) -> None:
    tokenizer = EVERY[name]
    steering = {i for mark in tokenizer.marks for i in tokenizer.encode(mark, marks=True)}
    assert len(steering) == len(tokenizer.marks) >= 2
    assert steering.isdisjoint(tokenizer.encode(text))


@pytest.mark.parametrize("name", RELEASED)
@settings(max_examples=60)
@given(text=texts.filter(lambda text: not any(mark in text for mark in MARKS) and "\u2581" not in text))
def test_ids_are_those_of_the_library(name: str, text: str) -> None:
    library = tokenizers.Tokenizer.from_str(FILES[name].decode())
    assert RELEASED[name].encode(text) == library.encode(text, add_special_tokens=False).ids
    mark = RELEASED[name].marks[0]
    whole = library.encode(mark + text + mark, add_special_tokens=False).ids
    assert encode_parts(RELEASED[name], [(mark, True), (text[:3], False), (text[3:] + mark, True)]) == whole


@settings(max_examples=60)
@given(text=texts.filter(lambda text: not any(mark in text for mark in MARKS) and "\u2581" not in text))
def test_pieces_are_those_of_sentencepiece(text: str) -> None:
    library = sentencepiece.SentencePieceProcessor(model_proto=GEMMA_FILE)
    assert PIECES["gemma-pieces"].encode(text) == library.encode(text)


def test_marks_of_a_release_and_pieces_that_are_none() -> None:
    assert set(RELEASED["qwen"].marks) == set(QWEN_MARKS) - {"<|endoftext|>"}
    for name in ("gemma", "gemma-pieces"):
        tokenizer = EVERY[name]
        assert {"<start_of_turn>", "<end_of_turn>", "<bos>"} <= set(tokenizer.marks)
        assert tokenizer.token_bytes(tokenizer.pad_id) == b"" and tokenizer.piece_id("<pad>") == tokenizer.pad_id
        assert tokenizer.encode("<eos>", marks=True) == [tokenizer.piece_id("<eos>")]
        assert tokenizer.piece_id("<table>") is None
        for piece in GEMMA_PIECES:  # ordinary text that is one piece
            assert len(tokenizer.encode(piece)) == 1 and piece not in tokenizer.marks


def test_llama_2_gains_no_space_in_the_middle() -> None:
    tokenizer = PIECES["llama2-pieces"]
    together = encode_parts(tokenizer, [("lamps", False), ("harbour", False)])
    assert tokenizer.decode(together) == "lampsharbour"


@pytest.mark.parametrize("name", RELEASED)
def test_files_keep_ids_and_identity(name: str, tmp_path: Path) -> None:
    RELEASED[name].save(tmp_path / "tokenizer.json")
    again = released_tokenizer(tmp_path)
    assert (again.identity, again.vocab_size, again.pad_id) == (
        RELEASED[name].identity,
        RELEASED[name].vocab_size,
        RELEASED[name].pad_id,
    )
    assert again.encode(TEXTS[1]) == RELEASED[name].encode(TEXTS[1])


def test_padding_is_what_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(FILES["llama3"])
    for named in ("<|eot_id|>", {"content": "<|eot_id|>"}):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": named}))
        tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
        assert "<|eot_id|>" not in tokenizer.marks and tokenizer.token_bytes(tokenizer.pad_id) == b""
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"pad_token": "<none>"}))
    with pytest.raises(InputError, match=r"tokenizer\.json.*'<none>' is no special token"):
        load_tokenizer(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("normalised", [False, True])
def test_runs_of_spaces_that_are_tokens_of_their_own_spell_spaces(normalised: bool) -> None:
    """As in Gemma's file: pieces of the vocabulary, merged, and added tokens as well."""
    document = json.loads(FILES["gemma"])
    vocabulary = document["model"]["vocab"]
    run = "\u2581\u2581"
    number = vocabulary.setdefault(run, 1 + max(*vocabulary.values(), *(t["id"] for t in document["added_tokens"])))
    if ["\u2581", "\u2581"] not in document["model"]["merges"]:
        document["model"]["merges"].insert(0, ["\u2581", "\u2581"])
    made = tokenizers.Tokenizer.from_str(json.dumps(document))
    made.add_tokens([tokenizers.AddedToken(run, special=False, normalized=normalised)])
    tokenizer = ReleasedTokenizer(made.to_str().encode())
    assert tokenizer.token_bytes(number) == b"  " and number in tokenizer.encode("a  b")
    for text in ("  a  b ", f"a {run} b"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_without_a_row_are_left_out(tmp_path: Path) -> None:
    made = tokenizers.Tokenizer.from_str(FILES["gemma"].decode())
    rows, soft = made.get_vocab_size(with_added_tokens=True), "<image_soft_token>"
    made.add_tokens([tokenizers.AddedToken(soft, special=True, normalized=False)])
    (tmp_path / "tokenizer.json").write_bytes(made.to_str().encode())
    assert released_tokenizer(tmp_path).vocab_size == rows + 1
    tokenizer = released_tokenizer(tmp_path, rows)
    assert tokenizer.vocab_size == rows and soft not in tokenizer.marks
    for marks in (False, True):
        ids = tokenizer.encode(f"a {soft} b", marks=marks)
        assert max(ids) < rows and tokenizer.decode(ids) == f"a {soft} b"
    assert released_tokenizer(tmp_path, rows - 2).vocab_size > rows - 2  # its other pieces are no special tokens


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"model": {}}', "no tokenizer.json"),
        (b'{"model": ', "not a usable tokenizer"),
        (FILES["qwen"].replace(b'"ByteLevel"', b'"WordPiece"'), "tokenizer"),
        (byte_level({"<|im_end|>": True}), "no padding token"),
    ],
)
def test_damaged_files_are_named(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(InputError, match=r"tokenizer\.json") as error:
        released_tokenizer(tmp_path)
    assert words in str(error.value)
    with pytest.raises(InputError, match="holds neither"):
        released_tokenizer(tmp_path / "absent")


@pytest.mark.parametrize("cut", [1, 40, 900])
def test_a_model_file_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(GEMMA_FILE[:-cut])
    with pytest.raises(InputError, match=r"tokenizer\.model"):
        released_tokenizer(tmp_path)
