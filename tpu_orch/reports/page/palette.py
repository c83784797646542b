"""Colours of the page and its figures, light and dark, by role. Marks, hatches and words repeat whatever they say."""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ground": "#f4f5f8",
    "card": "#fefefe",
    "raised": "#eceff5",
    "ink": "#18212f",
    "muted": "#566176",
    "line": "#d8dde8",
    "accent": "#3056c4",
    "accent-ink": "#fdfdfd",
    "blue": "#2f6bd8",
    "orange": "#c8620a",
    "green": "#12805c",
    "pink": "#b0438f",
    "red": "#c63a3a",
    "teal": "#0b7f99",
    "gold": "#8f6d00",
    "grey": "#7b8698",
}
DARK: Mapping[str, str] = {
    "ground": "#0d1118",
    "card": "#151b26",
    "raised": "#1e2635",
    "ink": "#e7ecf4",
    "muted": "#a1acbf",
    "line": "#303a4c",
    "accent": "#8db0ff",
    "accent-ink": "#0e131c",
    "blue": "#7fabff",
    "orange": "#ffa95c",
    "green": "#4fcf9f",
    "pink": "#ec92d3",
    "red": "#ff8a85",
    "teal": "#57cbe2",
    "gold": "#e3c352",
    "grey": "#93a0b4",
}
SERIES = ("blue", "orange", "green", "pink", "teal", "gold", "red", "grey")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
DASHES = (
    "-",
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
    (0, (3, 1)),
    (0, (8, 2)),
    (0, (1, 1)),
    (0, (4, 3)),
)
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")


def variables(colours: Mapping[str, str]) -> str:
    """CSS that sets a custom property for each role."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def themes(root: str) -> str:
    """CSS that gives an element its colours: light, and dark where the reader's system asks for it."""
    return (
        f"{root}{{color-scheme:light dark;{variables(LIGHT)}}}"
        f"@media (prefers-color-scheme: dark){{{root}{{{variables(DARK)}}}}}"
    )
