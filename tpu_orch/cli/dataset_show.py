"""`tpu-orch dataset show`: what is in a dataset, and its first rows."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.datasets.examples import demonstration_of_example, task_of_example
from data_pipeline.datasets.folder import Dataset, open_dataset
from data_pipeline.errors import InputError
from data_pipeline.formats import task_row
from data_pipeline.tokenizers import load_tokenizer


@dataclass(frozen=True)
class Args:
    """Checks every file of a dataset against its digest, then prints splits, sizes, tools and the first rows.

    For example: tpu-orch dataset show dataset/demonstrations --tokenizer tokenizer.model
    """

    folder: Annotated[Path, tyro.conf.Positional]
    """A folder that `dataset build` wrote: FOLDER/tasks or FOLDER/demonstrations."""

    rows: int = 2
    """Rows of each split to print."""

    tokenizer: Annotated[Path | None, tyro.conf.arg(metavar="TOKENIZER")] = None
    """Prints demonstrations as text, what a policy would sample between « and »."""


def run(args: Args) -> int:
    if args.rows < 0:
        raise InputError("--rows must be 0 or more")
    dataset = open_dataset(args.folder)
    print(f"{args.folder}: {dataset.name}, {dataset.identity}")
    for split, rows in dataset.splits.items():
        tools = Counter(name.decode() for row in rows for name in row["tools"])
        told = f", each shown {min(tools.values())} to {max(tools.values())} times" if tools else ""
        print(f"{split}: {len(rows)} rows, {len(tools)} tools{told}")
        for place in range(min(args.rows, len(rows))):
            print(_told(dataset, split, place, args.tokenizer))
    return 0


def _told(dataset: Dataset, split: str, place: int, tokenizer: Path | None) -> str:
    row = dataset.splits[split][place]
    if dataset.name == "tasks":
        return json.dumps(task_row(task_of_example(row)), ensure_ascii=False)
    one = demonstration_of_example(row)
    if tokenizer is None:
        return f"{one.task_id}: {len(one.tokens.ids)} tokens, {int(one.tokens.sampled.sum())} of them sampled"
    decode = load_tokenizer(tokenizer).decode
    text, start = "", 0
    for end in range(1, len(one.tokens.ids) + 1):
        if end == len(one.tokens.ids) or one.tokens.sampled[end] != one.tokens.sampled[start]:
            piece = decode(one.tokens.ids[start:end].tolist())
            text, start = text + (f"«{piece}»" if one.tokens.sampled[start] else piece), end
    return f"{one.task_id}: {text}"
