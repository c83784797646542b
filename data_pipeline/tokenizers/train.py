"""Trains a SentencePiece tokenizer: BPE over bytes and characters, nothing normalised, whole strings as pieces where
they pay.

Training runs on one thread over the texts in the order given, so that the same input gives the same bytes. Three
kinds of pieces stand beside the learnt ones: marks (control pieces, see `marks`), given pieces (tool names, JSON
scaffolding, id pieces: matched greedily wherever they occur, in data too), and the 256 bytes.
"""

import io
from collections.abc import Iterable, Iterator, Sequence

import sentencepiece

from data_pipeline.errors import InputError
from data_pipeline.jsontext import without_surrogates
from data_pipeline.tokenizers.marks import MARKS
from data_pipeline.tokenizers.pieces import SPACE, SentencePieceTokenizer

# The characters that JSON and English need at least; others are learnt if the texts have them, else spelled in bytes.
ALWAYS = "".join(map(chr, range(33, 127))) + "\n"
LONGEST = 4000  # characters; SentencePiece drops longer sentences, here they are cut
SPACED = 500  # one space for so many characters is enough for the trainer not to pass it over as rare


def train_sentencepiece(
    texts: Iterable[str],
    *,
    vocab_size: int,
    marks: Sequence[str] = MARKS,
    pieces: Sequence[str] = (),
) -> SentencePieceTokenizer:
    """Trains on texts; the vocabulary has at most vocab_size pieces, fewer if the texts hold no more.

    marks: strings that become one piece in trusted text only. pieces: strings of two or more characters that become
    one piece in every text.
    Raises InputError where a piece is also a mark or too short, where vocab_size has no room, or where there is no
    text.
    """
    marks = tuple(dict.fromkeys(marks))
    pieces = tuple(dict.fromkeys(pieces))
    _check(marks, pieces, vocab_size)
    sentences = list(_sentences(texts))
    model = _trained(sentences, vocab_size, marks, pieces)
    if not _spells_a_space(model):
        spaces = [" "] * (1 + sum(map(len, sentences)) // SPACED)
        model = _trained([*sentences, *spaces], vocab_size, marks, pieces)
    return SentencePieceTokenizer(model)


def _trained(sentences: Sequence[str], vocab_size: int, marks: Sequence[str], pieces: Sequence[str]) -> bytes:
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            hard_vocab_limit=False,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            byte_fallback=True,
            split_digits=True,
            required_chars=ALWAYS,
            control_symbols=list(marks),
            user_defined_symbols=[piece.replace(" ", SPACE) for piece in pieces],
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise InputError(f"SentencePiece refused to train: {error}") from None
    return model.getvalue()


def _spells_a_space(model: bytes) -> bool:
    """Whether the vocabulary has a piece for it: not where nearly all spaces of the texts are inside given pieces."""
    read = sentencepiece.SentencePieceProcessor(model_proto=model)
    return read.piece_to_id(SPACE) != read.unk_id()


def _check(marks: Sequence[str], pieces: Sequence[str], vocab_size: int) -> None:
    for piece in pieces:
        if len(piece) < 2:
            raise InputError(
                f"tokenizer piece {piece!r}: give pieces of two characters or more, single ones exist anyway"
            )
        if piece in marks or SPACE in piece:
            raise InputError(f"tokenizer piece {piece!r} is a mark or holds {SPACE!r}: leave it out")
    if any(not mark for mark in marks):
        raise InputError("an empty string cannot be a mark")
    least = 2 + 256 + len(ALWAYS) + len(marks) + len(pieces)
    if vocab_size <= least:
        raise InputError(
            f"vocab_size {vocab_size} has no room: marks, pieces, bytes and characters take {least}, give more"
        )


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        clean = without_surrogates(text).replace(SPACE, " ").replace("\x00", " ")
        for start in range(0, len(clean), LONGEST):
            yield clean[start : start + LONGEST]
