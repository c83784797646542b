"""From model text to attempts at calls: the one place where that is done."""
