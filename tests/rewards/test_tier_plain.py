"""Plans read by one expression against the same plans read by expat: the first must never say anything else."""

import random

import pytest

from rewards.released import tier_text
from rewards.released.tier_plain import find_plain, is_plain, plain_calls

THINK = "<think>\nso\n</think>\n"
PLANS = [
    '<tool_call return="one">\n  <api id="0">\n <name> Find </name>\n <param name="city" type="string"> Rome, é </param>\n'
    ' <param name="n" type="integer">2</param></api>\n <api id="7"><name>List</name><param name="of" type="string">'
    ' <response api_id="0" api_name="Find" field="a.b"/> </param></api></tool_call>',
    '<tool_call return="all"><api id="0"><name>Book</name><param name="who" type="array"><item type="dict"><field name="a"'
    ' type="dict"><field name="b" type="float">1.5</field></field><field name="c" type="string">x</field></item>'
    '<item type="string">y</item></param><param name="none" type="string"></param></api></tool_call>',
    '<tool_call return="one"><none/></tool_call>',
    '<tool_call return="all">{"0": {"Find": {"city": "Rome (IT)"}}, "1": {"List": {"of": "API_RESPONSE_0.a"}}}</tool_call>',
]
PIECES = [
    *[
        '<api id="0">',
        "</api>",
        '<param name="x" type="integer">',
        "</param>",
        '<item type="string">',
        "</item>",
        "<none/>",
    ],
    *[
        '<field name="a" type="float">',
        "</field>",
        "<name>",
        "</name>",
        "1",
        "1e400",
        "true",
        "&amp;",
        "&#65;",
        "<!-- c -->",
    ],
    *[
        "<?pi x?>",
        "<![CDATA[x]]>",
        "\r",
        "\t",
        "\xa0",
        "\u2028",
        "\x0b",
        "\x00",
        "\ufffe",
        "\ud83d",
        '"',
        "'",
        "<",
        ">",
        "&",
    ],
    *[
        '<response api_id="0" api_name="F" field="i"/>',
        ' xmlns:a="b"',
        "<a:b/>",
        "<think>",
        "</think>",
        "(",
        ")",
        "null",
    ],
    *["]]>", '<tool_call return="one">', "</tool_call>", ' name="q"', ' type="boolean"', "Unknown", '{"2": {}}', ","],
]


def spoilt(text: str, rng: random.Random) -> str:
    """The text after up to three changes, mostly where a mark begins or ends."""
    for _ in range(rng.randrange(4)):
        borders = [at for at, letter in enumerate(text) if letter in '<>"'] or [0]
        a, b = (rng.choice(borders) + rng.randrange(2) for _ in range(2))
        cut = rng.choice([0, 0, 1, 3, abs(b - a)])
        text = text[:a] + (rng.choice(PIECES) if rng.random() < 0.7 else text[a : a + 30]) + text[a + cut :]
    return text


def read(text: str, form: str) -> str:
    try:
        return repr(tier_text.read_completion(text, form, {"Find", "List", "Book"}.__contains__))
    except tier_text.Unreadable as error:
        return str(error)


def test_equals_the_reading_by_expat(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(0)
    texts = [THINK + spoilt(rng.choice(PLANS), rng) for _ in range(4_000)]
    cases = [(text, form) for text in texts for form in ("xml", "json")]
    plain, taken = tier_text._read_plain, 0

    def counting(*arguments):
        nonlocal taken
        found = plain(*arguments)
        taken += found is not None
        return found

    monkeypatch.setattr(tier_text, "_read_plain", counting)
    fast = [read(*case) for case in cases]
    assert taken > 1_000
    monkeypatch.setattr(tier_text, "_read_plain", lambda *arguments: None)
    for case, said in zip(cases, fast, strict=True):
        assert read(*case) == said, case


@pytest.mark.parametrize("blank", ["\t", "\n", "\r", "\xa0", "\x85", "\u2028", "\x1f"])
@pytest.mark.parametrize("mark", ['name="', 'type="', 'api_id="', 'field="', 'id="', "Rome", "> ", "Find ", " <"])
def test_blanks_are_what_they_are_to_expat(monkeypatch: pytest.MonkeyPatch, blank: str, mark: str) -> None:
    text = THINK + PLANS[0].replace(mark, mark + blank)
    fast = read(text, "xml")
    monkeypatch.setattr(tier_text, "_read_plain", lambda *arguments: None)
    assert read(text, "xml") == fast


def test_takes_what_the_prompt_asks_for() -> None:
    found = find_plain(THINK + PLANS[0])
    assert found.think == "\nso\n" and not found.returns_all and find_plain(PLANS[0]) is None
    assert plain_calls(found.body, {"Find", "List"}.__contains__, lambda text, kind: int(text), bool) == {
        "0": {"Find": {"city": "Rome, é", "n": 2}},
        "7": {"List": {"of": "API_RESPONSE_0.a.b"}},
    }
    assert plain_calls("<none/>", bool, str.join, bool) == {} and plain_calls("words", bool, str.join, bool) is None
    assert is_plain('{"0": {"F": {"x": 1}}}\n') and is_plain("é")
    assert not any(map(is_plain, ["a & b", "é & b", "a\rb", "\x00", "\ud83d", "\ufffe"]))
