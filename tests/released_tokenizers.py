"""Small tokenizer files in the formats of the releases, made here: the right kinds of tokens, few merges."""

import io
import json
from collections.abc import Sequence

import sentencepiece

TEXTS = [
    "Which seller near the harbour lists lamps?\n\n",
    '{"name": "find_seller", "arguments": {"name": "Ada", "limit": 12}}',
    "You may call one or more functions.\n  Respond in the format of a call.\n",
    "Environment: ipython\nToday Date: 26 Jul 2024\n\ncafé 😀 <table>",
] * 4
QWEN_MARKS = {
    "<|endoftext|>": True,
    "<|im_start|>": True,
    "<|im_end|>": True,
    "<tool_call>": False,
    "</tool_call>": False,
    "<tool_response>": False,
    "</tool_response>": False,
    "<think>": False,
    "</think>": False,
}
LLAMA_MARKS = {
    "<|begin_of_text|>": True,
    "<|finetune_right_pad_id|>": True,
    "<|start_header_id|>": True,
    "<|end_header_id|>": True,
    "<|eom_id|>": True,
    "<|eot_id|>": True,
    "<|python_tag|>": True,
}
GEMMA_MARKS = {
    "<pad>": True,
    "<eos>": True,
    "<bos>": True,
    "<unk>": True,
    "<start_of_turn>": True,
    "<end_of_turn>": True,
}
GEMMA_PIECES = ("\n\n", "<table>")


def byte_level(marks: dict[str, bool], vocab_size: int = 320, normalise: bool = False) -> bytes:
    """BPE over bytes, as Qwen and Llama 3 publish it; marks: text -> special or not."""
    import tokenizers
    from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, trainers

    made = tokenizers.Tokenizer(models.BPE())
    words = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.normalizer = normalizers.NFC() if normalise else None
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet))
    for text, special in marks.items():
        made.add_tokens([AddedToken(text, special=special, normalized=False)])
    return made.to_str().encode()


def gemma_json(vocab_size: int = 380) -> bytes:
    """A SentencePiece vocabulary with byte pieces in tokenizer.json, as Gemma publishes it."""
    import tokenizers
    from tokenizers import AddedToken, decoders, models, normalizers, trainers

    made = tokenizers.Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    made.normalizer = normalizers.Replace(" ", "\u2581")
    made.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    pieces = [*GEMMA_MARKS, *(f"<0x{byte:02X}>" for byte in range(256))]
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=pieces))
    document = json.loads(made.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if t["content"] in GEMMA_MARKS]
    made = tokenizers.Tokenizer.from_str(json.dumps(document))
    made.add_tokens([AddedToken(text, special=False, normalized=False) for text in GEMMA_PIECES])
    return made.to_str().encode()


def sentencepiece_file(user_defined: Sequence[str], *, dummy_prefix: bool, pad: bool) -> bytes:
    """A SentencePiece model as Gemma (marks are user-defined pieces) or Llama 2 (a space before every text, no padding)."""
    model = io.BytesIO()
    first = {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "bos_piece": "<bos>", "eos_piece": "<eos>"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS),
        model_writer=model,
        model_type="bpe",
        vocab_size=340,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=dummy_prefix,
        user_defined_symbols=list(user_defined),
        hard_vocab_limit=False,
        minloglevel=2,
        num_threads=1,
        **(first if pad else {"pad_id": -1, "unk_id": 0}),
    )
    return model.getvalue()


def gemma_pieces() -> bytes:
    return sentencepiece_file(["<start_of_turn>", "<end_of_turn>", *GEMMA_PIECES], dummy_prefix=False, pad=True)


def llama2_pieces() -> bytes:
    return sentencepiece_file([], dummy_prefix=True, pad=False)
