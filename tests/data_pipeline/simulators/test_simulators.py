"""The simulated APIs: seeded, seen only through text, and nothing of Python can be reached through them."""

import pytest

from data_pipeline.errors import InputError
from data_pipeline.simulators import SIMULATORS, Shared, World, state_hash
from data_pipeline.simulators.base import tool_names

TREE = {
    "root": {
        "home": {
            "type": "directory",
            "contents": {
                "a.txt": {"type": "file", "content": "one\ntwo words\n"},
                "docs": {"type": "directory", "contents": {}},
            },
        }
    }
}


def world(*classes: str, **config) -> World:
    return World(classes, config, owner="test")


def test_there_are_128_functions() -> None:
    counts = {name: len(tool_names(kind)) for name, kind in SIMULATORS.items()}
    assert sum(counts.values()) == 128
    assert counts["GorillaFileSystem"] == 18 and counts["VehicleControlAPI"] == 22


def test_files_are_made_moved_copied_and_read() -> None:
    files = world("GorillaFileSystem", GorillaFileSystem=TREE)
    said = [
        ("pwd()", '{"current_working_directory": "/home"}'),
        ("wc(file_name='a.txt', mode='w')", '{"count": 3, "type": "words"}'),
        ("mv(source='a.txt', destination='docs')", "{\"result\": \"'a.txt' moved to 'docs/a.txt'\"}"),
        ("cat(file_name='a.txt')", '{"error": "cat: \'a.txt\': No such file or directory"}'),
        ("cd(folder='docs')", '{"current_working_directory": "docs"}'),
        ("touch('b')", "None"),
        ("echo('x', 'b')", "None"),
        ("diff('a.txt', 'b')", '{"diff_lines": "- one\\n+ x"}'),
        ("cd('..')", "{}"),
        ("cp('docs', 'more')", "{\"result\": \"'docs' copied to 'more'\"}"),
        ("find(name='b')", '{"matches": ["./docs/b", "./more/b"]}'),
        ("rmdir('docs')", '{"error": "rmdir: cannot remove \'docs\': Directory not empty"}'),
        ("du()", '{"disk_usage": "30 bytes"}'),
    ]
    assert [files.execute(call) for call, _ in said] == [result for _, result in said]


def test_equal_calls_give_equal_states_and_results() -> None:
    travel = {
        "access_token": "t",
        "token_expires_in": 10,
        "credit_card_list": {"1": {"balance": 5000.0}},
    }
    call = "book_flight('t', '1', '2024-03-03', 'SFO', 'LAX', 'first')"
    one, other = world("TravelAPI", TravelAPI=travel), world("TravelAPI", TravelAPI=travel)
    booked = one.execute(call)
    assert booked == other.execute(call) and '"booking_status": true' in booked
    assert one.differs(other) is None and state_hash(one.state()) == state_hash(other.state())
    one.execute(call)
    assert one.differs(other) == "TravelAPI" and travel["credit_card_list"]["1"]["balance"] == 5000.0


def test_what_is_raised_is_told_in_words() -> None:
    both = world("MathAPI", "TicketAPI")
    assert both.execute("nope(1)") == "Error during execution: name 'nope' is not defined"
    assert both.execute("remove('x')") == "Error during execution: Function call remove is not allowed."
    missing = both.execute("add(1)")
    assert missing == "Error during execution: MathAPI.add() missing 1 required positional argument: 'b'"
    assert both.execute("add(a=1, b=add(2, 3)['result'])") == '{"result": 6}'
    assert both.execute("logarithm(value=8, base=2, precision=5)") == "{'result': mpf('3.0')}"
    assert both.execute("square_root(2, 5)") == "{'result': Decimal('1.4142')}"


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__.__bases__[0].__subclasses__()",
        "open('/etc/passwd')",
        "add(a=(lambda: 1)(), b=2)",
        "add(a=[x for x in (1,)], b=2)",
        "add(*[1, 2])",
        "add.__self__._shared",
        "power(base=10, exponent=10**9)",
        "multiply(a=9**9**9, b=1)",
        "add(a='x' * 10**9, b='')",
        "add(" * 200,
        "not " * 5000 + "1",
        "_load({})",
        "add(a=f'{1}', b=2",
    ],
)
def test_text_reaches_nothing_but_the_tools(text: str) -> None:
    assert world("MathAPI").execute(text).startswith("Error during execution: ")


def test_defaults_are_shared_by_the_two_sides_of_a_trajectory() -> None:
    shared = Shared()
    config = {"TwitterAPI": {"authenticated": True}}
    one = World(("TwitterAPI",), config, owner="a", shared=shared)
    other = World(("TwitterAPI",), config, owner="b", shared=shared)
    for side in (one, other):
        side.execute("post_tweet('x')")
    one.execute("mention(0, ['@m'])")
    assert one.differs(other) is None  # as in the benchmark: one list, written once
    alone = World(("TwitterAPI",), config, owner="c")
    assert '"mentions": []' in alone.execute("post_tweet('x')")


def test_unknown_classes_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="WebSearchAPI"):
        world("WebSearchAPI")
