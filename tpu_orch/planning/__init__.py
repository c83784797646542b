"""Will it fit, how fast, what does it cost: the real programs compiled for an accelerator that is not there, and arithmetic."""
