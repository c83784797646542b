"""`tpu-orch dataset build`: tasks, and demonstrations as token ids, as TFDS datasets in ArrayRecord."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from data_pipeline.backends import StoreBackend
from data_pipeline.chat import Chat
from data_pipeline.chat.offers import Schemas
from data_pipeline.datasets.folder import needed
from data_pipeline.demonstrations import Demonstration, balanced, demonstration
from data_pipeline.environment import Environment
from data_pipeline.errors import InputError, WorkFailed
from data_pipeline.formats import read_tasks, read_tools
from data_pipeline.store import open_any
from data_pipeline.tokenizers import load_tokenizer
from data_pipeline.words import Task
from tpu_orch.reports.counting import counter


@dataclass(frozen=True)
class Args:
    """Writes OUT/tasks, and with --tokenizer OUT/demonstrations: references replayed over the store, as token ids.

    Both are ordinary TFDS datasets: tfds.builder_from_directory(FOLDER).as_data_source("train") reads them, without
    TensorFlow. Needs the extra `data`. For example: tpu-orch dataset build --tasks tasks.jsonl --tools tools.json
    --store responses.store --tokenizer tokenizer.model --out dataset
    """

    tasks: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="TASKS.jsonl ...")]
    """The tasks; their splits become the dataset's."""

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Where the datasets are written; older ones there are replaced."""

    tokenizer: Annotated[Path | None, tyro.conf.arg(metavar="TOKENIZER")] = None
    """Tokenizer of the demonstrations; left out: tasks only."""

    tools: Annotated[Path | None, tyro.conf.arg(metavar="TOOLS.json")] = None
    """Catalogue of the tools, for demonstrations."""

    store: Annotated[Path | None, tyro.conf.arg(metavar="STORE")] = None
    """What answers the references: a store file, or a responses.jsonl."""

    schemas: Schemas = "none"
    """How prompts offer the tools: not at all, by name, by signature, or with their whole schemas."""

    most_tokens: int | None = None
    """Longer demonstrations are left out."""

    count: int | None = None
    """Demonstrations of each split, chosen so that every tool is shown about equally often; left out: each once."""

    seed: int = 0
    """Of that choice."""


def run(args: Args) -> int:
    needed("tensorflow_datasets")
    _check_inputs(args)
    from data_pipeline.datasets.building import build_demonstrations, build_tasks, by_split

    splits = by_split(task for path in args.tasks for task in read_tasks(path))
    tasks = [task for found in splits.values() for task in found]
    identity = build_tasks(args.out / "tasks", tasks)
    sizes = ", ".join(f"{split} {len(found)}" for split, found in splits.items())
    print(f"{args.out / 'tasks'}: {len(tasks)} tasks ({sizes}), {identity}")
    if args.tokenizer is None:
        return 0
    made = {split: shown for split, found in splits.items() if (shown := _demonstrated(args, split, found))}
    if not made:
        raise WorkFailed(
            f"every demonstration is longer than {args.most_tokens} tokens; {args.out / 'tasks'} was written"
        )
    identity = build_demonstrations(args.out / "demonstrations", made)
    sizes = ", ".join(f"{split} {len(found)}" for split, found in made.items())
    longest = max(len(one.tokens.ids) for found in made.values() for one in found)
    print(f"{args.out / 'demonstrations'}: {sizes}, longest {longest} tokens, {identity}")
    return 0


def _check_inputs(args: Args) -> None:
    """Raises InputError for an input in a folder that is written anew."""
    for folder in (args.out / "tasks", args.out / "demonstrations"):
        for path in (*args.tasks, args.tokenizer, args.tools, args.store):
            if path is not None and path.resolve().is_relative_to(folder.resolve()):
                raise InputError(f"--out {args.out}: {path}, which is read, would go with the older {folder}")


def _demonstrated(args: Args, split: str, tasks: list[Task]) -> list[Demonstration]:
    """The demonstrations of a split, in the tasks' order or as `balanced` orders them."""
    if args.tokenizer is None or args.tools is None or args.store is None:
        raise InputError("--tokenizer needs --tools and --store: demonstrations are replayed references")
    tools = read_tools(args.tools)
    environment = Environment(tools, StoreBackend(open_any(args.store, tools)))
    chat = Chat(load_tokenizer(args.tokenizer), schemas=args.schemas)
    made = []
    with counter(f"demonstrations of {split}", len(tasks)) as advance:
        for task in tasks:
            one = demonstration(task, environment, chat)
            if args.most_tokens is None or len(one.tokens.ids) <= args.most_tokens:
                made.append(one)
            advance()
    if len(made) < len(tasks):
        left_out = f"{len(tasks) - len(made)} of {len(tasks)} demonstrations are longer than {args.most_tokens}"
        print(f"{split}: {left_out} tokens and left out", file=sys.stderr)
    return made if args.count is None or not made else balanced(made, args.count, args.seed)
