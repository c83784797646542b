"""A small MCP server for tests: `python mcp_shop.py stdio`, or `http PORT`. Writes each write it sees to a file."""

import os
import sys
from pathlib import Path

import anyio
from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("shop")
READS = ToolAnnotations(read_only_hint=True)
SHELVES = {"tea": [{"id": "it-1", "price": 3.5}, {"id": "it-2", "price": 4.0}], "mugs": [{"id": "it-3", "price": 9.0}]}


@server.tool(annotations=READS)
def list_shelves() -> dict[str, list[str]]:
    """Names of all shelves."""
    return {"shelves": sorted(SHELVES)}


@server.tool(annotations=READS)
def list_items(shelf: str, limit: int = 10) -> dict[str, list[dict]]:
    """Items on a shelf."""
    if shelf not in SHELVES:
        raise ValueError(f"no shelf {shelf}")
    return {"items": SHELVES[shelf][:limit]}


@server.tool(annotations=READS)
def get_item(item_id: str) -> dict:
    """One item."""
    for items in SHELVES.values():
        for item in items:
            if item["id"] == item_id:
                return {**item, "shop": "Corner"}
    raise ValueError(f"no item {item_id}")


@server.tool(annotations=READS, structured_output=False)
def greet(name: str) -> str:
    """Plain text."""
    return f"Hello, {name}!"


@server.tool(annotations=READS)
async def slow(seconds: float) -> str:
    """Answers late; other calls do not wait for it."""
    await anyio.sleep(seconds)
    return "late"


@server.tool()
def buy(item_id: str) -> dict:
    """Changes things."""
    with Path(os.environ.get("WRITES_LOG", os.devnull)).open("a") as log:
        log.write(item_id + "\n")
    return {"bought": item_id}


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]))
