"""NESTFUL's scores of one sample and of a corpus: F1 of functions and of parameters, sequence accuracy, win rate.

    F1        macro over the names (or "argument = value" texts) that the reference has anywhere in the corpus; per sample a set
    partial   share of places where the calls' texts are equal, after aligning by name if the numbers of calls differ
    full      whether partial is 1
    win       the executed calls give the reference's answer

Values compare as text: "5" equals 5, 5.0 does not. Quirks kept in the official form: what the reference never names is
ignored; a failed execution counts as False, which equals 0, so it wins where the answer is 0; a `$` is appended to the
model's references only; where the reference has one distinct name, precision, recall and F1 are means over "has it" and
"has it not".
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from data_pipeline.words import Json, JsonObject
from rewards.benchmarks.nestful_calls import ground, read_prediction
from rewards.benchmarks.nestful_functions import FUNCTIONS, run_function


class Sample(NamedTuple):
    """What one sample brings to the scores."""

    gold_names: list[str]
    names: list[str]
    slots: list[tuple[list[str], list[str]]]
    """For each function that either side calls: (reference's, model's) "argument = value" texts."""
    partial: float
    win: bool | None
    """None where it was not asked for."""
    name_errors: int
    slot_errors: int

    @property
    def parse_error(self) -> bool:
        return self.name_errors + self.slot_errors > 0


class F1(NamedTuple):
    precision: float
    recall: float
    f1: float


def judge_sample(
    gold: Sequence[JsonObject],
    text: str,
    *,
    win: bool,
    answer: Json = None,
    tools: Sequence[JsonObject] | None = None,
    fixed: bool = False,
) -> Sample:
    """One sample.

    Args:
      gold: the reference's calls.
      text: what the model wrote.
      win: whether to execute the calls.
      answer: the reference's answer; None: what its own calls give.
      tools: those offered, with `output_parameters`; a call of any other fails. None: every function known here.
      fixed: a failed execution never wins, floats are compared to relative 1e-9, and `$` is appended on both sides.

    Raises ValueError, KeyError or TypeError where the reference cannot be read.
    """
    made = read_prediction(text)
    wanted = ground(gold)
    names, name_errors = _names(made.grounded)
    slots, slot_errors = _slots(wanted, made.grounded, fixed)
    won = None
    if win:
        expected = execute(gold, tools) if answer is None else answer
        won = bool(made.raw) and wins(made.raw, expected, tools, fixed)
    return Sample(
        [str(call["name"]) for call in wanted],
        names,
        slots,
        sequence_accuracy([_text(call, fixed) for call in wanted], _texts(made.grounded)),
        won,
        name_errors + made.failed,
        slot_errors,
    )


def _names(calls: Sequence[Any]) -> tuple[list[str], int]:
    names, errors = [], 0
    for call in calls:
        if isinstance(call, dict) and "name" in call:
            names.append(str(call["name"]))
        else:
            errors += 1
    return names, errors


def _slots(
    gold: Sequence[JsonObject], made: Sequence[Any], fixed: bool
) -> tuple[list[tuple[list[str], list[str]]], int]:
    """The last call of a name overwrites earlier ones; a call that breaks off keeps what it had."""
    wanted = {call["name"]: [_slot(*pair, closed=fixed) for pair in call["arguments"].items()] for call in gold}
    given: dict[Any, list[str]] = {}
    errors = 0
    for call in made:
        try:
            name = call["name"]
            given[name] = []
            given[name] += [_slot(*pair, closed=True) for pair in call["arguments"].items()]
        except (KeyError, TypeError, AttributeError):
            errors += 1
    every = [*wanted, *(name for name in given if name not in wanted)]
    return [(wanted.get(name, []), given.get(name, [])) for name in every], errors


def _slot(argument: str, value: Json, *, closed: bool) -> str:
    if closed and type(value) is str and value.startswith("$") and not value.endswith("$"):
        value += "$"
    return f"{argument} = {value}"


def _text(call: Any, closed: bool) -> str:
    return f"{call['name']}({', '.join(sorted(_slot(*pair, closed=closed) for pair in call['arguments'].items()))})"


def _texts(calls: Sequence[Any]) -> list[str]:
    texts = []
    for call in calls:
        try:
            texts.append(_text(call, True))
        except (KeyError, TypeError, AttributeError):
            if isinstance(call, dict) and "name" in call:
                texts.append(f"{call['name']}({{}})")
    return texts


def sequence_accuracy(gold: list[str], made: list[str]) -> float:
    """Share of equal places; lists of different length are first aligned by name, the reference going first."""
    if len(gold) != len(made):
        gold, made = _aligned(gold, made)
    return sum(one == other for one, other in zip(gold, made, strict=True)) / len(gold) if gold else 0.0


def _aligned(gold: list[str], made: list[str]) -> tuple[list[str], list[str]]:
    first, second = [], []
    i = j = 0
    while i < len(gold) or j < len(made):
        same = i < len(gold) and j < len(made) and gold[i].split("(", 1)[0] == made[j].split("(", 1)[0]
        takes_gold = same or i < len(gold)
        takes_made = same or not takes_gold
        first.append(gold[i] if takes_gold else "")
        second.append(made[j] if takes_made else "")
        i, j = i + takes_gold, j + takes_made
    return first, second


def execute(calls: Any, tools: Sequence[JsonObject] | None = None) -> Any:
    """The last call's result, or False if anything fails. Arguments go by position, in the order given.

    `calls` is what the model wrote: it may be anything that JSON can hold.
    """
    offered = None if tools is None else {tool["name"]: list(tool["output_parameters"]) for tool in tools}
    results: dict[str, dict[str, Any]] = {}
    try:
        label = ""
        for call in calls:
            label = call["label"].replace("$", "")
            function = FUNCTIONS[call["name"]]
            outputs = [function.output] if offered is None else offered[call["name"]]
            values = [_argument(value, results) for value in call["arguments"].values()]
            result = run_function(function, values)
            if len(outputs) != 1:
                return False
            results[label] = {outputs[0]: result}
        return next(iter(results[label].values()))
    except Exception:  # a function may raise anything; the benchmark counts it as failed
        return False


def _argument(value: Json, results: dict[str, dict[str, Any]]) -> Any:
    if type(value) is str and (value.startswith("$var") or (value.startswith("$") and value.endswith("$"))):
        label, field = (value[1:-1] if value.endswith("$") else value[1:]).split(".", 1)
        return results[label][field]
    return value


def wins(calls: Any, answer: Json, tools: Sequence[JsonObject] | None = None, fixed: bool = False) -> bool:
    """Whether the executed calls give the answer; a float is rounded to the answer's printed decimals first."""
    result = execute(calls, tools)
    if fixed:
        if result is False:
            return False
        if type(answer) is float and type(result) is float:
            return abs(result - answer) <= 1e-9 * max(abs(answer), abs(result))
    elif type(answer) is float and type(result) is float:
        decimals = str(answer).partition(".")[2]
        result = round(result, len(decimals)) if decimals else result
    return bool(result == answer) or (type(answer) is list and _lists(result) == answer)


def _lists(value: Any) -> Any:
    return [_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


def macro_f1(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> F1:
    """Precision, recall and F1, each a mean over the distinct texts of the reference.

    Args:
      pairs: (reference's, model's) texts of each row; sets.
    """
    hits: Counter[str] = Counter()
    given: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for gold, made in pairs:
        wanted.update(set(gold))
        given.update(set(made))
        hits.update(set(gold) & set(made))
    counts = [(hits[text], given[text], wanted[text]) for text in wanted]
    if len(counts) == 1:  # one column is taken for a yes or no, and both are averaged
        hit, some, all_ = counts[0]
        without = (len(pairs) - all_ - (some - hit), len(pairs) - some, len(pairs) - all_)
        counts += [without] if without[1] or without[2] else []
        counts = [one for one in counts if one[1] or one[2]]
    return F1(
        _mean([hit / some if some else 0.0 for hit, some, _ in counts]),
        _mean([hit / all_ if all_ else 0.0 for hit, _, all_ in counts]),
        _mean([2 * hit / (some + all_) if some + all_ else 0.0 for hit, some, all_ in counts]),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


class Corpus(NamedTuple):
    names: F1
    slots: F1
    partial: float
    full: float
    win: float | None
    examples: int
    name_errors: int
    slot_errors: int
    samples_with_errors: int


def corpus_scores(samples: Sequence[Sample]) -> Corpus:
    """What the scorer reports of a corpus; `win` is None where no sample was executed."""
    won = [sample.win for sample in samples if sample.win is not None]
    return Corpus(
        macro_f1([(sample.gold_names, sample.names) for sample in samples]),
        macro_f1([slot for sample in samples for slot in sample.slots]),
        _mean([sample.partial for sample in samples]),
        _mean([float(sample.partial == 1) for sample in samples]),
        _mean([float(one) for one in won]) if won else None,
        len(samples),
        sum(sample.name_errors for sample in samples),
        sum(sample.slot_errors for sample in samples),
        sum(sample.parse_error for sample in samples),
    )
