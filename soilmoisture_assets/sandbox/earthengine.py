"""Earth Engine as the sandbox serves it: enough of the REST API for the ``earthengine-api`` client to run unchanged.

Belongs here: the discovery document, the algorithms the land-cover client uses, the evaluation of its expressions.
Not here: the land cover (world.py), faults and HTTP (server.py).

Source: developers.google.com/earth-engine/reference/rest (v1: projects.algorithms.list, projects.value.compute).
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from soilmoisture_assets.sandbox.server import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

_COLLECTION = "MODIS/061/MCD12Q1"
_BAND = "LC_Type1"
FIRST_YEAR, LATEST_YEAR = 2001, 2024

# Name, type of the result, arguments (name, type, optional): the signatures the client checks its calls against.
_ALGORITHMS: dict[str, tuple[str, list[tuple[str, str, bool]]]] = {
    "Image.load": ("Image", [("id", "String", False), ("version", "Long", True)]),
    "ImageCollection.load": ("ImageCollection", [("id", "String", False), ("version", "Long", True)]),
    "ImageCollection.toBands": ("Image", [("collection", "ImageCollection", False)]),
    "Collection.filter": ("Collection", [("collection", "Collection", False), ("filter", "Filter", False)]),
    "Collection.map": (
        "Collection",
        [("collection", "Collection", False), ("baseAlgorithm", "Algorithm", False), ("dropNulls", "Boolean", True)],
    ),
    "Collection": ("FeatureCollection", [("features", "List", False)]),
    "AggregateFeatureCollection.array": (
        "List",
        [("collection", "FeatureCollection", False), ("property", "String", False)],
    ),
    "Filter.listContains": (
        "Filter",
        [
            ("leftField", "String", True),
            ("rightValue", "Object", True),
            ("rightField", "String", True),
            ("leftValue", "Object", True),
        ],
    ),
    "Image.select": (
        "Image",
        [("input", "Image", False), ("bandSelectors", "List", False), ("newNames", "List", True)],
    ),
    "Image.visualize": (
        "Image",
        [
            ("image", "Image", False),
            ("bands", "Object", True),
            ("gain", "Object", True),
            ("bias", "Object", True),
            ("min", "Object", True),
            ("max", "Object", True),
            ("gamma", "Object", True),
            ("opacity", "Number", True),
            ("palette", "Object", True),
            ("forceRgbOutput", "Boolean", True),
        ],
    ),
    "Image.reduceRegions": (
        "FeatureCollection",
        [
            ("image", "Image", False),
            ("collection", "FeatureCollection", False),
            ("reducer", "Reducer", False),
            ("scale", "Float", True),
            ("crs", "Projection", True),
            ("crsTransform", "List", True),
            ("tileScale", "Float", True),
            ("maxPixelsPerRegion", "Long", True),
        ],
    ),
    "Reducer.first": ("Reducer", []),
    "Feature": ("Feature", [("geometry", "Geometry", True), ("metadata", "Dictionary", True)]),
    "GeometryConstructors.Point": (
        "Geometry",
        [("coordinates", "List", False), ("crs", "Projection", True), ("geodesic", "Boolean", True)],
    ),
}


def earthengine_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world: it has the years that are over on a day."""
    latest = LATEST_YEAR if today is None else min(LATEST_YEAR, today.year - 1)

    def answer(request: Request) -> Response | None:
        if request.path == "/$discovery/rest":
            return json_response(_discovery(request.service_url))
        if request.path.endswith("/algorithms"):
            return json_response({"algorithms": [_signature(name) for name in _ALGORITHMS]})
        if request.path.endswith("/maps"):
            project = request.path.removeprefix("/v1/").removesuffix("/maps")
            return json_response({"name": f"{project}/maps/{hashlib.sha256(request.body).hexdigest()[:32]}"})
        if request.path.endswith("/value:compute"):
            try:
                result = _Evaluation(world, latest, json.loads(request.body)["expression"]).result()
            except (KeyError, NotImplementedError) as error:
                message = f"the sandbox cannot evaluate this expression: {error}"
                return json_response({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}, 400)
            if request.fault == "nulls":
                result = _without_values(result)
            if request.fault == "wrong_variable":
                result = json.loads(json.dumps(result).replace(_BAND, "LC_Type2").replace('"first"', '"last"'))
            return json_response({"result": result})
        return None

    return answer


class _Evaluation:
    """Evaluates the expression graph of one request.

    Images and collections are dictionaries: an image has an id and bands, each a year and a name.
    """

    def __init__(self, world: "World", latest_year: int, expression: dict[str, Any]) -> None:
        self._world, self._latest_year = world, latest_year
        self._nodes = expression["values"]
        self._root = expression["result"]
        self._functions: dict[str, Callable[..., Any]] = {
            "ImageCollection.load": self._load,
            "ImageCollection.toBands": self._to_bands,
            "Collection.filter": lambda collection, filter: [image for image in collection if filter(image)],
            "Collection.map": lambda collection, baseAlgorithm, dropNulls=None: [baseAlgorithm(i) for i in collection],
            "Collection": lambda features: features,
            "AggregateFeatureCollection.array": lambda collection, property: [image[property] for image in collection],
            "Filter.listContains": lambda leftValue, rightField: lambda image: image[rightField] in leftValue,
            "Image.select": self._select,
            "Image.reduceRegions": self._reduce_regions,
            "Reducer.first": lambda: "first",
            "Feature": lambda geometry, metadata=None: {
                "type": "Feature",
                "geometry": geometry,
                "properties": dict(metadata or {}),
            },
            "GeometryConstructors.Point": lambda coordinates, **_: {"type": "Point", "coordinates": coordinates},
        }

    def result(self) -> Any:
        value = self._value(self._nodes[self._root], {})
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {"type": "FeatureCollection", "columns": {}, "features": value}
        return value

    def _value(self, node: dict[str, Any], arguments: dict[str, Any]) -> Any:
        (kind, content), *_ = node.items()
        if kind == "constantValue":
            return content
        if kind == "valueReference":
            return self._value(self._nodes[content], arguments)
        if kind == "argumentReference":
            return arguments[content]
        if kind == "arrayValue":
            return [self._value(item, arguments) for item in content["values"]]
        if kind == "dictionaryValue":
            return {key: self._value(item, arguments) for key, item in content["values"].items()}
        if kind == "functionDefinitionValue":
            names, body = content["argumentNames"], self._nodes[content["body"]]
            return lambda *given: self._value(body, arguments | dict(zip(names, given, strict=True)))
        if kind == "functionInvocationValue":
            if content["functionName"] not in self._functions:
                raise NotImplementedError(content["functionName"])
            given = {name: self._value(item, arguments) for name, item in content.get("arguments", {}).items()}
            return self._functions[content["functionName"]](**given)
        raise NotImplementedError(kind)

    def _load(self, id: str, version: int | None = None) -> list[dict[str, Any]]:
        if id != _COLLECTION:
            raise NotImplementedError(f"ImageCollection asset '{id}' not found")
        years = range(FIRST_YEAR, self._latest_year + 1)
        return [{"system:index": f"{year}_01_01", "bands": [(year, _BAND)]} for year in years]

    def _select(self, input: dict[str, Any], bandSelectors: list[str]) -> dict[str, Any]:
        return input | {"bands": [band for band in input["bands"] if band[1] in bandSelectors]}

    def _to_bands(self, collection: list[dict[str, Any]]) -> dict[str, Any]:
        bands = [(year, f"{image['system:index']}_{name}") for image in collection for year, name in image["bands"]]
        return {"bands": bands}

    def _reduce_regions(
        self, image: dict[str, Any], collection: list[dict[str, Any]], reducer: str, **_: object
    ) -> list[dict[str, Any]]:
        points = np.array([feature["geometry"]["coordinates"] for feature in collection], dtype=float)
        features = [feature | {"properties": dict(feature["properties"])} for feature in collection]
        for year, name in image["bands"]:
            classes = self._world.land_cover(points[:, 1], points[:, 0], year)
            for feature, code in zip(features, classes, strict=True):
                # an image of one band names its output after the reducer
                feature["properties"][name if len(image["bands"]) > 1 else reducer] = int(code)
        return features


def _without_values(result: Any) -> Any:
    if not isinstance(result, dict):
        return result
    for feature in result["features"]:
        feature["properties"] = {key: v for key, v in feature["properties"].items() if not isinstance(v, int)}
    return result


def _signature(name: str) -> dict[str, Any]:
    returns, arguments = _ALGORITHMS[name]
    return {
        "name": f"algorithms/{name}",
        "returnType": returns,
        "arguments": [
            {"argumentName": argument, "type": kind, "optional": optional} for argument, kind, optional in arguments
        ],
    }


_PROJECT = {"type": "string", "location": "path", "required": True, "pattern": "^projects/[^/]+$"}


def _post(method: str, parameter: str, path: str) -> dict[str, Any]:
    return {
        "id": f"earthengine.projects.{method}",
        "httpMethod": "POST",
        "path": f"v1/{{+{parameter}}}/{path}",
        "parameterOrder": [parameter],
        "parameters": {parameter: _PROJECT, "fields": {"type": "string", "location": "query"}},
        "request": {"$ref": "Request"},
        "response": {"$ref": "Reply"},
    }


def _discovery(url: str) -> dict[str, Any]:
    page = {"type": "integer", "location": "query", "format": "int32"}
    standard = {name: {"type": "string", "location": "query"} for name in ("alt", "fields", "key", "quotaUser")}
    return {
        "kind": "discovery#restDescription",
        "name": "earthengine",
        "version": "v1",
        "id": "earthengine:v1",
        "protocol": "rest",
        "rootUrl": f"{url}/",
        "baseUrl": f"{url}/",
        "servicePath": "",
        "batchPath": "batch",
        "parameters": standard | {"prettyPrint": {"type": "boolean", "location": "query", "default": "true"}},
        "schemas": {name: {"id": name, "type": "object", "properties": {}} for name in ("Request", "Reply")},
        "resources": {
            "projects": {
                "resources": {
                    "algorithms": {
                        "methods": {
                            "list": {
                                "id": "earthengine.projects.algorithms.list",
                                "httpMethod": "GET",
                                "path": "v1/{+parent}/algorithms",
                                "parameterOrder": ["parent"],
                                "parameters": {"parent": _PROJECT, "pageSize": page},
                                "response": {"$ref": "Reply"},
                            }
                        }
                    },
                    "value": {"methods": {"compute": _post("value.compute", "project", "value:compute")}},
                    "maps": {"methods": {"create": _post("maps.create", "parent", "maps")}},
                }
            }
        },
    }
