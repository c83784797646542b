"""Options of a sandbox run that takes seconds: two steps of warm-up, three of reinforcement, a checkpoint after each."""

SMALL = [
    *("--tokens", "1024", "--world.shown-per-depth", "10", "--world.trained-per-depth", "6", "--eval.per-depth", "1"),
    *("--model.layers", "1", "--model.d-model", "32", "--model.heads", "2", "--model.kv-heads", "1"),
    *("--model.head-dim", "16", "--model.d-ff", "48", "--engine.rows", "16", "--engine.max-new-tokens", "24"),
    *("--warmup.steps", "2", "--warmup.batch", "8", "--trainer.steps", "3", "--trainer.prompts", "2"),
    *("--trainer.group", "4", "--trainer.replay", "4", "--checkpoint.every", "1", "--watch.no-report"),
]
LAST = 5
