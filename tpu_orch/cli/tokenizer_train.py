"""`tpu-orch tokenizer train`: a SentencePiece tokenizer for the built-in world, or for a catalogue with tasks and
responses.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.chat import chat_texts, train_chat_tokenizer
from data_pipeline.errors import InputError
from data_pipeline.formats import iter_responses, read_tasks, read_tools
from data_pipeline.sandbox import make_world, train_sandbox_tokenizer
from data_pipeline.store import open_any
from data_pipeline.tokenizers import Tokenizer
from tpu_orch.cli.outputs import check_outputs


@dataclass(frozen=True)
class Args:
    """Trains a tokenizer: BPE with byte fallback, chat marks and tool names as whole pieces, digits split.

    Without --tools it is the tokenizer of the built-in world. The same input gives the same file, to the byte. For
    example: tpu-orch tokenizer train --tools tools.json --tasks tasks.jsonl --responses responses.jsonl --vocab-size
    4096 --out booking.model
    """

    out: Annotated[Path, tyro.conf.arg(metavar="TOKENIZER.model")]
    """Where the tokenizer is written."""

    tools: Annotated[Path | None, tyro.conf.arg(metavar="TOOLS.json")] = None
    """Catalogue whose tool names become whole pieces. Left out: the built-in world."""

    tasks: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="TASKS.jsonl ...")] = ()
    """Tasks whose queries and calls are learnt from."""

    responses: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="RESPONSES.jsonl ...")] = ()
    """Recorded responses to learn from; of long ones the beginning."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """A store of recorded responses to learn from too."""

    vocab_size: int = 1536
    """Pieces at most; fewer where the texts hold no more."""

    seed: int = 0
    """Of the built-in world and its tasks."""


def run(args: Args) -> int:
    check_outputs([("--out", args.out)], [args.tools, *args.tasks, *args.responses, args.store])
    tokenizer = _train(args)
    tokenizer.save(args.out)
    print(f"{args.out}: {tokenizer.vocab_size} pieces, {tokenizer.identity}")
    return 0


def _train(args: Args) -> Tokenizer:
    if args.tools is None:
        if args.tasks or args.responses or args.store is not None:
            raise InputError("--tasks, --responses and --store need --tools, the catalogue that they belong to")
        print("learning from the built-in world", file=sys.stderr)
        return train_sandbox_tokenizer(make_world(args.seed), args.vocab_size, args.seed)
    if not args.tasks and not args.responses and args.store is None:
        raise InputError("nothing to learn from: give --tasks, --responses or --store beside --tools")
    tools = read_tools(args.tools)
    stored = () if args.store is None else open_any(args.store, tools).records()
    texts: Iterable[str] = chat_texts(
        chain.from_iterable(map(read_tasks, args.tasks)),
        chain(chain.from_iterable(map(iter_responses, args.responses)), stored),
    )
    return train_chat_tokenizer(texts, tools, vocab_size=args.vocab_size)
