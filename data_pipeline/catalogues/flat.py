"""Tools whose parameters stand side by side without a schema around them, as NESTFUL and many home-made lists have them.

{"name": ..., "query_parameters": {"city": {"type": "string", "required": true, "default_value": ...}},
 "output_parameters": {...}, "method": "GET"}
"""

from data_pipeline.words.json import Json, JsonObject

INPUTS = ("query_parameters", "path_parameters", "body_parameters", "arguments")
OUTPUTS = ("output_parameters", "output_parameter")
_OWN = ("required", "default_value", "allowed_values", "type")


def unflattened(item: JsonObject) -> JsonObject:
    """The item with proper schemas; the very same item if it is of no such form."""
    inputs = [item[key] for key in INPUTS if type(item.get(key)) is dict]
    if not inputs and is_flat(item.get("parameters")):
        inputs = [item["parameters"]]
    if not inputs:
        return item
    dropped = (*INPUTS, *OUTPUTS, "parameters")
    made: JsonObject = {key: value for key, value in item.items() if key not in dropped}
    made["parameters"] = flat_schema({name: part for given in inputs for name, part in given.items()})
    outputs = next((item[key] for key in OUTPUTS if is_flat(item.get(key))), None)
    if outputs is not None:
        made["returns"] = {**flat_schema(outputs)}
        made["returns"].pop("required", None)
    method = item.get("method")
    if "effects" not in made and type(method) is str:
        made["effects"] = "read" if method.upper() in ("GET", "HEAD", "OPTIONS") else "write"
    return made


def is_flat(parameters: Json) -> bool:
    """Whether an object maps names to descriptions of values, and is no schema itself."""
    if type(parameters) is not dict or not parameters:
        return False
    if type(parameters.get("type")) is str or type(parameters.get("type")) is list:
        return False
    described = all(type(part) is dict and ("type" in part or "description" in part) for part in parameters.values())
    return described and "properties" not in parameters


def flat_schema(parameters: JsonObject) -> JsonObject:
    """The schema of an object with these parameters."""
    schema: JsonObject = {"type": "object", "properties": {name: _value(part) for name, part in parameters.items()}}
    required = [name for name, part in parameters.items() if type(part) is dict and part.get("required") is True]
    return {**schema, "required": required} if required else schema


def _value(part: Json) -> Json:
    if type(part) is not dict:
        return part
    made: JsonObject = {key: item for key, item in part.items() if key not in _OWN}
    kind = part.get("type")
    if type(kind) is str and " or " in kind:
        made["type"] = [word.strip() for word in kind.split(" or ")]
    elif kind is not None:
        made["type"] = kind
    if part.get("allowed_values"):
        made["enum"] = part["allowed_values"]
    if "default_value" in part:
        made["default"] = part["default_value"]
    if type(part.get("required")) is list:  # a proper schema further in
        made["required"] = part["required"]
    return made
