"""A city guide as a real HTTP server with an OpenAPI file of twenty operations, for tests of everything live.

Every request is kept in `seen`; writes are answered like any other, so that a test can show that none came.
"""

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

CITIES = {
    f"c{i}": {"cityId": f"c{i}", "name": name, "lat": 40.5 + i, "lon": 2.25 * i}
    for i, name in enumerate(["Oslo", "Graz"])
}
DISTRICTS = {f"d{i}": {"districtId": f"d{i}", "cityId": f"c{i % 2}", "name": f"Quarter {i}"} for i in range(6)}
VENUES = {
    f"v{i}": {"venueId": f"v{i}", "districtId": f"d{i % 6}", "kind": ["museum", "cafe"][i % 2], "name": f"Venue {i}"}
    for i in range(12)
}
USERS = {f"u{i}": {"userId": f"u{i}", "name": f"User {i}", "home": None} for i in range(4)}
REVIEWS = {
    f"r{i}": {"reviewId": f"r{i}", "venueId": f"v{i % 12}", "authorId": f"u{i % 4}", "stars": i % 5 + 1}
    for i in range(24)
}
DISHES = {f"x{i}": {"dishId": f"x{i}", "venueId": f"v{i % 12}", "price": 4 + i / 2} for i in range(24)}
SECRET = "open sesame"


def where(table: dict[str, dict], **wanted: Any) -> list[dict]:
    return [row for row in table.values() if all(row[key] == value for key, value in wanted.items())]


class Refused(Exception):
    def __init__(self, status: int, body: Any) -> None:
        self.status, self.body = status, body


def one(table: dict[str, dict], key: str) -> dict:
    if key not in table:
        raise Refused(404, {"message": f"nothing called {key}"})
    return table[key]


def within(table: dict[str, dict], owners: dict[str, dict], key: str, path: dict[str, str]) -> list[dict]:
    """Rows of an owner that must exist."""
    return where(table, **{key: one(owners, path[key])[key]})


Handler = Callable[["Guide", dict[str, str], dict[str, list[str]], Any], Any]

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/cities", lambda g, p, q, b: {"cities": [c for c in CITIES.values() if q.get("name", [c["name"]])[0] == c["name"]]}),
    ("GET", "/cities/{cityId}", lambda g, p, q, b: one(CITIES, p["cityId"])),
    ("GET", "/cities/{cityId}/districts", lambda g, p, q, b: {"districts": within(DISTRICTS, CITIES, "cityId", p)}),
    ("GET", "/districts/{districtId}", lambda g, p, q, b: one(DISTRICTS, p["districtId"])),
    ("GET", "/districts/{districtId}/venues", lambda g, p, q, b: g.venues(p["districtId"], q)),
    ("GET", "/venues/{venueId}", lambda g, p, q, b: one(VENUES, p["venueId"])),
    ("GET", "/venues/{venueId}/reviews", lambda g, p, q, b: within(REVIEWS, VENUES, "venueId", p)),
    ("GET", "/venues/{venueId}/menu", lambda g, p, q, b: {"dishes": within(DISHES, VENUES, "venueId", p)}),
    ("GET", "/dishes/{dishId}", lambda g, p, q, b: one(DISHES, p["dishId"])),
    ("GET", "/reviews/{reviewId}", lambda g, p, q, b: one(REVIEWS, p["reviewId"])),
    ("GET", "/users/{userId}", lambda g, p, q, b: one(USERS, p["userId"])),
    ("GET", "/users/{userId}/reviews", lambda g, p, q, b: where(REVIEWS, authorId=one(USERS, p["userId"])["userId"])),
    ("GET", "/categories", lambda g, p, q, b: ["museum", "cafe"]),
    ("GET", "/search", lambda g, p, q, b: {"hits": [v for v in VENUES.values() if q["text"][0].lower() in v["name"].lower()]}),
    ("GET", "/weather", lambda g, p, q, b: {"lat": float(q["lat"][0]), "lon": float(q["lon"][0]), "sky": "clear"}),
    ("GET", "/secure/profile", lambda g, p, q, b: {"profile": "yours"}),
    ("GET", "/forbidden/vault", lambda g, p, q, b: g.refuse(403)),
    ("POST", "/venues/find", lambda g, p, q, b: {"venues": where(VENUES, kind=b["kind"])[: b.get("limit", 3)]}),
    ("POST", "/bookings", lambda g, p, q, b: {"booked": b}),
    ("DELETE", "/bookings/{bookingId}", lambda g, p, q, b: {"cancelled": p["bookingId"]}),
]  # fmt: skip


NAMES = (
    "listCities", "getCity", "listDistricts", "getDistrict", "listVenues", "getVenue", "listReviews", "getMenu", "getDish",
    "getReview", "getUser", "listUserReviews", "listCategories", "search", "getWeather", "getProfile", "openVault",
    "findVenues", "book", "cancelBooking",
)  # fmt: skip
"""Operation ids, in the order of the routes."""


class Guide:
    """The running server: `url`, `seen` (method, path), and faults that tests can ask for."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.fail_next: list[int] = []
        """Statuses that the next requests get instead of an answer."""
        self.on_request: Callable[[], None] | None = None
        guide = self

        class Request(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                guide.handle(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def venues(self, district: str, query: dict[str, list[str]]) -> Any:
        found = where(VENUES, districtId=one(DISTRICTS, district)["districtId"])
        kinds = query.get("kind", ["museum", "cafe"])
        return {"venues": [venue for venue in found if venue["kind"] in kinds][: int(query.get("limit", ["10"])[0])]}

    def refuse(self, status: int) -> Any:
        raise Refused(status, {"message": "no"})

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.seen.append((request.command, request.path))
        self.headers.append(dict(request.headers))
        if self.on_request is not None:
            self.on_request()
        status, answer, extra = 200, None, {}
        try:
            if self.fail_next:
                status = self.fail_next.pop(0)
                extra = {"Retry-After": "1"} if status == 429 else {}
                raise Refused(status, "busy")
            answer = self.routed(request, json.loads(body) if body else None)
        except Refused as refused:
            status, answer = refused.status, refused.body
        data = json.dumps(answer).encode()
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(data)), **extra}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data)

    def routed(self, request: BaseHTTPRequestHandler, body: Any) -> Any:
        parts = urlsplit(request.path)
        path = parts.path.removeprefix("/v1")
        for method, template, handler in ROUTES:
            match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template), path)
            if match and method == request.command:
                if template.startswith("/secure") and request.headers.get("X-Guide-Key") != SECRET:
                    raise Refused(401, {"message": "who are you?"})
                return handler(self, {k: unquote(v) for k, v in match.groupdict().items()}, parse_qs(parts.query), body)
        raise Refused(404, {"message": "no such path"})


def openapi(url: str) -> dict[str, Any]:
    """The server's description, with what real descriptions have: components, nullable, allOf, parameters of a path."""

    def ref(name: str) -> dict[str, str]:
        return {"$ref": f"#/components/schemas/{name}"}

    def thing(**fields: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {key: {"type": kind} for key, kind in fields.items()}}

    paths: dict[str, Any] = {}
    names = iter(NAMES)
    for method, template, _ in ROUTES:
        item = paths.setdefault(template, {})
        keys = re.findall(r"\{(\w+)\}", template)
        if keys and "parameters" not in item:
            item["parameters"] = [
                {"name": key, "in": "path", "required": True, "schema": {"type": "string"}} for key in keys
            ]
        item[method.lower()] = {"operationId": next(names), "responses": {"200": {"description": "fine"}}}

    def answers(path: str, schema: Any) -> None:
        paths[path]["get"]["responses"]["200"]["content"] = {"application/json": {"schema": schema}}

    answers("/cities", {"type": "object", "properties": {"cities": {"type": "array", "items": ref("City")}}})
    answers("/cities/{cityId}", ref("City"))
    answers("/users/{userId}", ref("User"))
    answers("/venues/{venueId}", ref("Venue"))

    def takes(path: str, *parameters: dict[str, Any]) -> None:
        paths[path]["get"]["parameters"] = list(parameters)

    takes("/cities", {"name": "name", "in": "query", "schema": {"type": "string"}})
    takes(
        "/districts/{districtId}/venues",
        {"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["museum", "cafe"]}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 10}},
    )
    takes("/search", {"name": "text", "in": "query", "required": True, "schema": {"type": "string"}})
    takes(
        "/weather",
        {"name": "lat", "in": "query", "required": True, "schema": {"type": "number"}},
        {"name": "lon", "in": "query", "required": True, "schema": {"type": "number"}},
    )
    paths["/secure/profile"]["get"]["security"] = [{"guideKey": []}]
    paths["/venues/find"]["post"].update(
        {
            "x-effects": "read",
            "requestBody": {"required": True, "content": {"application/json": {"schema": ref("VenueQuery")}}},
        }
    )
    paths["/bookings"]["post"]["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"allOf": [ref("Booking"), thing(note="string")]}}},
    }
    schemas = {
        "City": thing(cityId="string", name="string", lat="number", lon="number"),
        "User": {
            "type": "object",
            "properties": {"userId": {"type": "string"}, "home": {**ref("City"), "nullable": True}},
        },
        "Venue": {"allOf": [thing(venueId="string"), thing(kind="string", districtId="string")]},
        "VenueQuery": {
            "type": "object",
            "required": ["kind"],
            "properties": {
                "kind": {"type": "string", "enum": ["museum", "cafe"], "example": "cafe"},
                "limit": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "nullable": True},
            },
        },
        "Booking": {**thing(venueId="string", seats="integer"), "required": ["venueId"]},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "Guide", "version": "1"},
        "servers": [{"url": url.replace("/v1", "/{version}"), "variables": {"version": {"default": "v1"}}}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"guideKey": {"type": "apiKey", "in": "header", "name": "X-Guide-Key"}},
        },
    }
