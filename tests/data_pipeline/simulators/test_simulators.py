"""The simulated APIs: seeded, seen only through text, and nothing of Python can be reached through them."""

import json

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


NINES = "9" * 4000


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


@pytest.mark.parametrize(
    ("classes", "calls"),
    [
        ("GorillaFileSystem", ["cp(source='docs', destination='docs')"]),
        ("GorillaFileSystem", ["touch(file_name=('x',))", "echo(content=1j, file_name='a.txt')"]),
        ("GorillaFileSystem", ["mkdir('d')", "cd('d')"] * 500),
        ("TicketAPI", ["create_ticket('x')", "resolve_ticket(1, resolution=get_ticket(1))"]),
        ("TicketAPI", ["create_ticket(title=b'x')", "create_ticket(title=1j)", "create_ticket(title=...)"]),
        ("TicketAPI", ["create_ticket(title={1, 'a', (2, 3)})", "create_ticket(title={b'k': 1, 2: 3})"]),
        ("TicketAPI", [f"create_ticket(title={NINES} * {NINES})"]),
        ("TicketAPI", [f"create_ticket(title={{{NINES} * {NINES}: 1}})"]),
    ],
)
def test_whatever_calls_leave_in_the_state_can_be_told(classes: str, calls: list[str]) -> None:
    config = {"GorillaFileSystem": TREE, "TicketAPI": {"current_user": "a"}}
    one, other, fresh = (world(classes, **config) for _ in range(3))
    for side in (one, other):
        for call in calls:
            side.execute(call)
    assert state_hash(one.state()) == state_hash(other.state()) != state_hash(fresh.state())
    assert json.loads(json.dumps(one.state())) == one.state()
    assert one.differs(fresh) == classes
    one.differs(other)  # both may hold themselves


def test_what_no_call_of_a_benchmark_holds_is_told_by_its_repr() -> None:
    tickets = world("TicketAPI", TicketAPI={"current_user": "a"})
    tickets.execute("create_ticket(title={'b', 3, 1j}, description=get_ticket(1))")
    tickets.execute("edit_ticket(1, {'status': get_ticket(1), 'priority': 2.5})")
    (ticket,) = tickets.state()["TicketAPI"]["ticket_queue"]
    assert ticket["title"] == {"$set": ["b", 3, {"$repr": "1j"}]}
    assert ticket["status"] == {"$type": "Cycle"} and ticket["priority"] == 2.5


@pytest.mark.parametrize(
    ("classes", "calls"),
    [
        ("GorillaFileSystem", ["cp('docs', 'e{0}')", "mv('e{0}', 'docs')", "find()", "du()"]),
        ("GorillaFileSystem", ["echo(cat('a.txt')['file_content'] + cat('a.txt')['file_content'], 'a.txt')"]),
        ("TwitterAPI", ["mention(0, get_tweet(0)['mentions'])"]),
        ("TicketAPI", ["create_ticket([get_ticket({0}), get_ticket({0})])"]),
        ("TicketAPI", ["edit_ticket(1, {{'priority': get_ticket(1)['priority'] * get_ticket(1)['priority']}})"]),
    ],
)
def test_what_doubles_with_every_call_stops_growing(classes: str, calls: list[str]) -> None:
    tweet = {"id": 0, "username": "a", "content": "", "tags": [], "mentions": ["x"]}
    ticket = {"id": 1, "title": "", "priority": 3, "created_by": "a"}
    tickets = {"current_user": "a", "ticket_queue": [ticket], "ticket_counter": 2}
    grown = world(classes, GorillaFileSystem=TREE, TicketAPI=tickets, TwitterAPI={"tweets": {"0": tweet}})
    said = [grown.execute(call.format(number)) for number in range(1, 24) for call in calls]
    assert max(map(len, said)) < 10_000_000 and any(text.startswith("Error during execution: ") for text in said)
    assert len(json.dumps(grown.state())) < 20_000_000


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("square_root(2, precision=10**6)", '{"error": "more than 1000 places"}'),
        ("round_number(5, decimal_places=-4 * 10**6)", '{"result": 0}'),
        ("round_number(51, -2)", '{"result": 100}'),
        ("round_number(-3, -3)", '{"result": 0}'),
        ("round_number(2.5)", '{"result": 2.0}'),
    ],
)
def test_arithmetic_ends_soon(call: str, result: str) -> None:
    assert world("MathAPI").execute(call) == result
