"""The rewards as their papers' released code computes them, quirks included, to the last digit.

Nothing here is mended: what is wrong with these forms is told in `rewards.graduated` and `rewards.tier`, which mend it.
"""
