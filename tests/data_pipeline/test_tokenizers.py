"""Tokenizers: exact round trips, marks that data cannot spell, training that gives the same bytes twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_pipeline.chat import SCAFFOLDING
from data_pipeline.errors import InputError
from data_pipeline.tokenizers import MARKS, ByteTokenizer, Tokenizer, load_tokenizer, train_sentencepiece

PIECES = ("K7", "M2", '": "', '", "', '{"', '"}', "find_seller")
CORPUS = [
    f'which seller near the {place} lists {thing}?\n{{"seller": "K7M2", "price": {number}}}'
    for number, (place, thing) in enumerate(
        (place, thing) for place in ("harbour", "market", "old mill") for thing in ("lamps", "chairs", "a green kettle")
    )
]


def trained() -> Tokenizer:
    return train_sentencepiece(CORPUS, vocab_size=600, marks=(*MARKS, *SCAFFOLDING), pieces=PIECES)


TOKENIZERS: dict[str, Tokenizer] = {"bytes": ByteTokenizer(), "sentencepiece": trained()}
each_tokenizer = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
# Texts that lean towards what could go wrong: marks, pieces, spaces, the character that spells a space, control
# characters.
SPICE = (
    *MARKS,
    *SCAFFOLDING[:4],
    *PIECES,
    " ",
    "  ",
    "\n",
    "\r\n",
    "\x00",
    "\u2581",
    "\u2585",
    "\ufeff",
    "😀",
    "é",
    "<0x41>",
)
texts = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(SPICE)), max_size=8).map("".join)


def mark_ids(tokenizer: Tokenizer) -> set[int]:
    """Ids whose bytes are a whole mark or hold one."""
    return {i for i in range(tokenizer.vocab_size) if any(m.encode() in tokenizer.token_bytes(i) for m in MARKS)}


@each_tokenizer
@settings(max_examples=300)
@given(text=texts, marks=st.booleans())
def test_every_text_comes_back_exactly(tokenizer: Tokenizer, text: str, marks: bool) -> None:
    ids = tokenizer.encode(text, marks=marks)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert all(0 <= i < tokenizer.vocab_size and i != tokenizer.pad_id for i in ids)


@each_tokenizer
@settings(max_examples=300)
@given(text=texts)
def test_data_never_becomes_a_mark(tokenizer: Tokenizer, text: str) -> None:
    assert not set(tokenizer.encode(text)) & mark_ids(tokenizer)


@each_tokenizer
def test_trusted_text_becomes_marks(tokenizer: Tokenizer) -> None:
    for mark in MARKS:
        assert len(tokenizer.encode(mark, marks=True)) == 1
        assert len(tokenizer.encode(mark)) > 1
    assert len(mark_ids(tokenizer)) >= len(MARKS)


def test_the_longest_scaffold_wins() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    for scaffold in SCAFFOLDING:
        assert len(tokenizer.encode(scaffold, marks=True)) == 1
    text = '<tool_call>\n{"name": "find_seller", "arguments": {"id": "K7M2"}}\n</tool_call>'
    ids = tokenizer.encode(text, marks=True)
    assert tokenizer.token_bytes(ids[0]) == b'<tool_call>\n{"name": "'
    assert tokenizer.token_bytes(ids[1]) == b"find_seller"
    assert [tokenizer.token_bytes(i) for i in ids[-3:]] == [b"K7", b"M2", b'"}}\n</tool_call>']


def test_digits_are_split_and_given_pieces_are_whole() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    assert [tokenizer.token_bytes(i) for i in tokenizer.encode("1838")] == [b"1", b"8", b"3", b"8"]
    for piece in PIECES:
        assert len(tokenizer.encode(piece)) == 1


@each_tokenizer
def test_lone_surrogates_do_not_crash(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"


@each_tokenizer
def test_partial_utf8_and_foreign_ids(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("😀")
    assert len(ids) == 4
    assert tokenizer.decode(ids[:3]) == "\ufffd"
    assert tokenizer.token_bytes(tokenizer.pad_id) == b""
    for outside in (-1, tokenizer.vocab_size):
        with pytest.raises(IndexError):
            tokenizer.token_bytes(outside)


@each_tokenizer
def test_files_keep_ids_and_identity(tokenizer: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokenizer.model"
    tokenizer.save(path)
    again = load_tokenizer(path)
    assert again.identity == tokenizer.identity
    assert again.vocab_size == tokenizer.vocab_size
    text = CORPUS[0] + "<|im_end|>"
    assert again.encode(text, marks=True) == tokenizer.encode(text, marks=True)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"tokenizer": "bytes"}', b"not a model", b"\x0a\xff\xff"])
def test_other_files_are_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bad.model"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.model"):
        load_tokenizer(path)
    with pytest.raises(InputError, match=r"none\.model"):
        load_tokenizer(tmp_path / "none.model")


def test_a_model_that_normalises_is_refused() -> None:
    import io

    import sentencepiece

    from data_pipeline.tokenizers import SentencePieceTokenizer

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS),
        model_writer=model,
        vocab_size=60,
        pad_id=3,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    with pytest.raises(InputError, match="byte_fallback"):
        SentencePieceTokenizer(model.getvalue())


def test_training_twice_gives_the_same_bytes() -> None:
    """Also in another process, under another hash seed."""
    code = (
        "from test_tokenizers import trained; print(trained().identity)"  # the identity is a digest of the whole file
    )
    identities = set()
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        identities.add(run.stdout.strip())
    assert identities == {trained().identity}


@pytest.mark.parametrize(
    ("pieces", "vocab_size", "what"),
    [
        (("a",), 600, "two characters"),
        (("<answer>",), 600, "is a mark"),
        ((), 300, "no room"),
        (("a\u2581b",), 600, "holds"),
    ],
)
def test_training_refuses_what_it_cannot_hold(pieces: tuple[str, ...], vocab_size: int, what: str) -> None:
    with pytest.raises(InputError, match=what):
        train_sentencepiece(CORPUS, vocab_size=vocab_size, pieces=pieces)
    with pytest.raises(InputError):
        train_sentencepiece([], vocab_size=600)


@pytest.mark.parametrize("pieces", [(), ('": ', ', "')])
def test_texts_without_a_space_of_their_own_give_a_vocabulary_that_spells_it(pieces: tuple[str, ...]) -> None:
    text = '{"name": "lamp", "price": 12}'
    learnt = train_sentencepiece([text if pieces else text.replace(" ", "")] * 500, vocab_size=420, pieces=pieces)
    assert learnt.decode(learnt.encode("  a  b ")) == "  a  b "


@each_tokenizer
def test_long_texts_of_one_unit_come_back(tokenizer: Tokenizer) -> None:
    """100 kB of one run of letters, of pieces, of marks, or of bytes."""
    for unit in (CORPUS[3], "a", '{"', "<|im_end|>", "é😀", "\u2581", "7"):
        text = (unit * (100_000 // len(unit.encode()) + 1))[:100_000]
        assert tokenizer.decode(tokenizer.encode(text, marks=True)) == text, unit
