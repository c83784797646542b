"""Lists of tools as projects publish them: lines under the wrong name, objects by name, rows that hold their tools."""

import json
from pathlib import Path

import pytest

from data_pipeline.catalogues import import_catalogue
from data_pipeline.errors import InputError

F = {"name": "f", "description": "F.", "parameters": {"type": "dict", "properties": {"a": {"type": "float"}}}}
G = {"name": "g", "parameters": {"type": "object", "properties": {}}, "response": {"type": "dict"}}
FORMS = {
    "lines.json": json.dumps(F) + "\n" + json.dumps(G) + "\n",
    "lines.jsonl": json.dumps(F) + "\n\n" + json.dumps(G) + "\n",
    "named.json": json.dumps({"f": F, "g": G}),
    "wrapped.json": json.dumps({"tools": [{"type": "function", "function": F}, G]}),
    "bfcl.json": json.dumps({"id": 1, "question": [], "function": [F]})
    + "\n"
    + json.dumps({"id": 2, "function": [G, F]}),
    "nestful.jsonl": json.dumps({"input": "q", "tools": [F, G]}) + "\n" + json.dumps({"input": "r", "tools": [G]}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_gives_the_same_tools(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(FORMS[name])
    catalogue = import_catalogue(str(tmp_path / name))
    assert catalogue.faults == ()
    assert list(catalogue.tools) == ["f", "g"]
    assert catalogue.tools["f"].parameters["properties"]["a"] == {"type": "number"}
    assert catalogue.tools["g"].returns == {"type": "object"}


def test_the_same_name_with_another_schema_is_told_with_its_place(tmp_path: Path) -> None:
    other = {**F, "parameters": {"type": "object", "properties": {"b": {"type": "string"}}}}
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, ({"tools": [F]}, {"tools": [G, other]}))))
    catalogue = import_catalogue(str(tmp_path / "t.jsonl"))
    assert [fault.line() for fault in catalogue.faults] == [
        "tool f: line 2[1].name: a second tool of this name, described otherwise"
    ]
    assert "a" in catalogue.tools["f"].parameters["properties"]


@pytest.mark.parametrize("text", ["{}", "7", '{"f": {"name": "other"}}', '{"a": 1}\n{"b": ', "", "null"])
def test_what_is_no_list_of_tools_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError) as caught:
        import_catalogue(str(tmp_path / "t.json"))
    assert "t.json" in str(caught.value)
    assert "\n" not in str(caught.value)
