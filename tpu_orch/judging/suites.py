"""The suites of `tpu-orch judge`: each takes one row and fills in the fields that the benchmark's scorer would have given.

Fields that hold verdicts already are never looked at. With `fixed`, a row also gets our repaired verdict under "fixed"
where the official one has a known fault.
"""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from data_pipeline.errors import InputError
from data_pipeline.jsontext import JsonError, read_json
from data_pipeline.simulators import long_context_filler, state_hash
from data_pipeline.words import JsonObject
from rewards.benchmarks import bfcl_ast, cfb, cfb_conversation, nestful, toolrl
from rewards.benchmarks.bfcl_decode import Undecodable, decode_calls
from rewards.benchmarks.bfcl_multi_turn import Entry, judge_trajectory, replay_reference
from tpu_orch.judging.leaderboard import judge_leaderboard


class Options(NamedTuple):
    fixed: bool = False
    cases: Mapping[int, JsonObject] | None = None
    """nestful-corpus: the samples that its rows name, by number."""


Judge = Callable[[JsonObject, Options], JsonObject]


def judge_bfcl_ast(row: JsonObject, options: Options) -> JsonObject:
    """`model_output` is a list of calls, or the model's text."""
    made: Any = row["model_output"]
    if type(made) is str:
        try:
            made = decode_calls(made)
        except Undecodable as error:
            if "relevance" not in row["category"]:
                verdict: JsonObject = {"valid": False, "error_type": "ast_decoder:decoder_failed", "reason": str(error)}
                return {**row, **verdict}
            made = []
    told = (row["category"], row["functions"], made, row.get("possible_answer") or [])
    renamed = bool(row.get("underscore_to_dot"))
    verdict = _ast_fields(bfcl_ast.judge_calls(*told, underscore_to_dot=renamed))
    if options.fixed:
        verdict["fixed"] = _ast_fields(bfcl_ast.judge_calls_fixed(*told, underscore_to_dot=renamed))
    return {**row, **verdict}


def _ast_fields(verdict: bfcl_ast.AstVerdict) -> JsonObject:
    fields: JsonObject = {"valid": verdict.valid, "error_type": verdict.error_type}
    if verdict.sub_error_types is not None:
        fields["sub_error_types"] = list(verdict.sub_error_types)
    return fields


def judge_bfcl_multi_turn(row: JsonObject, options: Options) -> JsonObject:
    """One entry with the trajectories under `checker_cases`; results and states of both sides are filled in."""
    reference = [[call["call"] for call in turn["calls"]] for turn in row["turns"]]
    filler = long_context_filler() if row.get("long_context") else None
    entry = Entry(tuple(row["involved_classes"]), row["initial_config"], reference, filler)
    start, played = replay_reference(entry)
    turns = []
    for turn, done in zip(row["turns"], played, strict=True):
        calls = [_result_fields(call, text) for call, text in zip(turn["calls"], done.results, strict=True)]
        turns.append({**turn, "calls": calls, "state_after": done.state, "state_hash": state_hash(done.state)})
    last = played[-1].state if played else start
    cases = [_case_fields(entry, case, last, options.fixed) for case in row.get("checker_cases", [])]
    return {**row, "initial_state": start, "turns": turns, "checker_cases": cases}


def _result_fields(call: JsonObject, text: str) -> JsonObject:
    kept = {name: value for name, value in call.items() if name not in ("result", "result_json", "error")}
    told: JsonObject = {"result": text}
    with contextlib.suppress(JsonError):
        told["result_json"] = read_json(text)
    return {**kept, **told, "error": text.startswith("Error during execution")}


def _case_fields(entry: Entry, case: JsonObject, last: JsonObject, fixed: bool) -> JsonObject:
    judged = judge_trajectory(entry, case["model_turns"])
    more: JsonObject = {}
    if fixed:
        mended = judge_trajectory(entry, case["model_turns"], fixed=True)
        more = {"fixed": {"valid": mended.valid, "error_type": mended.error_type}}
    return {
        **case,
        "model_results": judged.results,
        "state_hash_per_turn": judged.hashes,
        "final_state": "=gold" if judged.state == last else judged.state,
        "valid": judged.valid,
        "error_type": judged.error_type,
        **more,
    }


def judge_nestful(row: JsonObject, options: Options) -> JsonObject:
    scores = _nestful_fields(row, fixed=False)
    more = {"fixed": _nestful_fields(row, fixed=True)} if options.fixed else {}
    return {**row, "scores": scores, **more}


def nestful_sample(row: JsonObject, *, fixed: bool) -> nestful.Sample:
    """The sample of a row; its `gold_answer` and `tools` are used where it has them."""
    win = bool(row.get("win_scored"))
    return nestful.judge_sample(
        row["gold"], row["generated_text"], win=win, answer=row.get("gold_answer"), tools=row.get("tools"), fixed=fixed
    )


def _nestful_fields(row: JsonObject, *, fixed: bool) -> JsonObject:
    sample = nestful_sample(row, fixed=fixed)
    corpus = nestful.corpus_scores([sample])
    return {
        **{f"{letter}_func": round(value, 3) for letter, value in zip(("p", "r", "f1"), corpus.names, strict=True)},
        **{f"{letter}_param": round(value, 3) for letter, value in zip(("p", "r", "f1"), corpus.slots, strict=True)},
        "partial": round(corpus.partial, 3),
        "full": corpus.full,
        "win": corpus.win,
        "parse_error": corpus.samples_with_errors,
    }


def judge_nestful_corpus(row: JsonObject, options: Options) -> JsonObject:
    """`cases` names samples of the file given with --cases, or holds them."""
    known = options.cases or {}
    rows: list[JsonObject] = []
    for case in row["cases"]:
        if type(case) is not dict and case not in known:
            raise InputError(f"case {case!r:.40} is not in the file of samples (--cases NESTFUL.jsonl)")
        rows.append(case if type(case) is dict else known[case])
    scored = [{**one, "win_scored": bool(row.get("win_scored"))} for one in rows]
    told = {"scores": _corpus_fields(scored, fixed=False)}
    if options.fixed:
        told["fixed"] = _corpus_fields(scored, fixed=True)
    return {**row, **told}


def _corpus_fields(rows: list[JsonObject], *, fixed: bool) -> JsonObject:
    corpus = nestful.corpus_scores([nestful_sample(one, fixed=fixed) for one in rows])
    figures = {
        **{f"{letter}_intent": value for letter, value in zip(("p", "r", "f1"), corpus.names, strict=True)},
        **{f"{letter}_slot": value for letter, value in zip(("p", "r", "f1"), corpus.slots, strict=True)},
        "accuracy_combined": corpus.partial,
        "percentage_times_full_score": corpus.full,
    }
    return {
        **{name: f"{value:.3f}" for name, value in figures.items()},
        "win_rate": "no" if corpus.win is None else f"{corpus.win:.3f}",
        "num_examples": corpus.examples,
        "num_errors_parsing_pred_intent": corpus.name_errors,
        "num_errors_parsing_gold_intent": 0,
        "num_errors_parsing_pred_slot": corpus.slot_errors,
        "num_errors_parsing_gold_slot": 0,
        "num_pred_examples_w_parsing_errors": corpus.samples_with_errors,
    }


def judge_cfb(row: JsonObject, options: Options) -> JsonObject:
    """One pair of calls (`golden`, `predict`), or one query (`conversations`, and `gen_convs` by the model)."""
    schemas = cfb.SCHEMAS
    if row.get("functions"):
        schemas = {one["name"]: one["parameters"] for one in row["functions"]}
    if "gen_convs" in row:
        outcome = cfb_conversation.judge_conversation(row["conversations"], row["gen_convs"], schemas)
        counts = {
            "success_turn_num": outcome.turns_done,
            "total_turn_num": outcome.turns,
            "correct_call_num": outcome.calls_matched,
            "total_call_num": outcome.calls,
        }
        return {**row, "message": outcome.message, "count_dict": counts}
    match = cfb.match_call(row["predict"], row["golden"], schemas)
    return {
        **row,
        "format_ok": match.format_ok,
        "format_error": match.format_error,
        "rule_based": match.rule,
        "value_checker": {"ok": match.gate.ok, "error_type": match.gate.error_type},
    }


def judge_toolrl(row: JsonObject, options: Options) -> JsonObject:
    """`env` holds the release's environment variables, `step` the training step."""
    variant = toolrl.variant_of({name: str(value) for name, value in (row.get("env") or {}).items()})
    scored = toolrl.judge_completion(row["completion"], row["ground_truth"], variant, int(row.get("step") or 0))
    return {**row, **scored._asdict()}


SUITES: dict[str, Judge] = {
    "bfcl-ast": judge_bfcl_ast,
    "bfcl-multi-turn": judge_bfcl_multi_turn,
    "nestful": judge_nestful,
    "nestful-corpus": judge_nestful_corpus,
    "cfb": judge_cfb,
    "toolrl": judge_toolrl,
    "bfcl-leaderboard": judge_leaderboard,
}
