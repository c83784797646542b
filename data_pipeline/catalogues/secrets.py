"""How an API wants to know its callers, as OpenAPI describes it; the secrets themselves stay in the environment."""

import re
from typing import cast

from data_pipeline.catalogues.entries import Secret
from data_pipeline.catalogues.openapi_schemas import LostReference, held, located
from data_pipeline.words.json import Json, JsonObject


def ways_in(security: Json, document: JsonObject) -> tuple[tuple[Secret, ...], ...]:
    """The alternatives of a `security` list; an empty alternative means that no secret is needed."""
    if type(security) is not list:
        return ()
    schemes = held(held(document, "components", dict), "securitySchemes", dict)
    ways = []
    for requirement in security:
        if type(requirement) is dict:
            made = [_secret(name, schemes.get(name), document) for name in requirement]
            if None not in made:
                ways.append(tuple(cast(list[Secret], made)))
    return tuple(ways)


def _secret(name: str, scheme: Json, document: JsonObject) -> Secret | None:
    """None for a scheme that cannot be served from an environment variable (mutual TLS)."""
    try:
        scheme = located(document, scheme)
    except LostReference:
        return None
    kind, variable = scheme.get("type"), secret_variable(name)
    if kind == "apiKey" and scheme.get("in") in ("header", "query", "cookie"):
        return Secret(name, scheme["in"], str(scheme.get("name", "")), variable)
    if kind == "http" and str(scheme.get("scheme", "")).lower() == "basic":
        return Secret(name, "basic", "", variable)
    if kind == "http" and str(scheme.get("scheme", "")).lower() == "bearer":
        return Secret(name, "bearer", "", variable)
    if kind in ("oauth2", "openIdConnect"):  # a token that the user got elsewhere
        return Secret(name, "bearer", "", variable)
    return None


def secret_variable(scheme: str) -> str:
    """Environment variable for a scheme: `apiKeyAuth` -> `TPU_ORCH_SECRET_APIKEYAUTH`."""
    return "TPU_ORCH_SECRET_" + re.sub(r"[^A-Z0-9]+", "_", scheme.upper()).strip("_")
