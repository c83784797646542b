"""A GRPO step of trl on the same work as `tpu-orch bench step`; run by it with an interpreter that has trl and torch (CPU).

python step_of_trl.py PROMPTS GROUP PROMPT DRAWN ROUNDS      last line: {"trl VERSION": median seconds}
"""

import json
import sys
import time
from statistics import median

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

VOCAB = 4096


class Clock(TrainerCallback):
    """Seconds of each step, sampling included."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *args, **kwargs):
        self.began = time.perf_counter()

    def on_step_end(self, *args, **kwargs):
        self.seconds.append(time.perf_counter() - self.began)


def main(prompts: int, group: int, prompt: int, drawn: int, rounds: int) -> None:
    torch.manual_seed(0)
    words = {"<pad>": 0, "<end>": 1} | {f"w{n}": n for n in range(2, VOCAB)}
    plain = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<end>")
    config = Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        rope_theta=10_000.0,
        tie_word_embeddings=True,
    )
    random = torch.randint(2, VOCAB, (prompts, prompt)).tolist()
    rows = [{"prompt": " ".join(f"w{n}" for n in ids)} for ids in random] * (rounds + 1)
    clock = Clock()
    trainer = GRPOTrainer(
        model=Qwen3ForCausalLM(config),
        processing_class=tokenizer,
        reward_funcs=lambda completion_ids, **_: [sum(n % 2 == 0 for n in ids) / len(ids) for ids in completion_ids],
        train_dataset=Dataset.from_list(rows),
        args=GRPOConfig(
            output_dir="/tmp/step_of_trl",
            per_device_train_batch_size=prompts * group,
            num_generations=group,
            max_completion_length=drawn,
            generation_kwargs={"min_new_tokens": drawn},
            max_steps=rounds + 1,
            shuffle_dataset=False,
            beta=0.0,
            bf16=False,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            gradient_checkpointing=False,
        ),
        callbacks=[clock],
    )
    trainer.train()
    print(json.dumps({f"trl {trl.__version__}": median(clock.seconds[1:])}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:6]))
