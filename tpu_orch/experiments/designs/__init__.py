"""Every experiment: its arms, its setting, the rule that decides it.

catalogue is where commands find them by name; settings holds what most share.
"""
