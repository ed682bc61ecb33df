"""An API server in memory: versions, label selectors, merge patches, guards. No watch."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

from sluice.adapters.kube import Call, Kube
from sluice.adapters.wire import Json, Request
from sluice.runtime.lease import Term

Place = tuple[str, str, str]


class FakeApi(Kube):
    """A client whose requests end here; `calls` tells which there were."""

    def __init__(self) -> None:
        self.objects: dict[Place, Json] = {}
        self.calls: list[str] = []
        self.answers: list[tuple[int, Json]] = []
        self._versions = count(101)
        self.heard: list[Call] = []
        self._hooks = (self.heard.append,)
        self._term = Term.endless()

    def add(self, plural: str, raw: Json) -> Json:
        """Store an object as somebody else would."""
        meta = raw["metadata"]
        meta.setdefault("namespace", "ns")
        meta.setdefault("uid", f"uid-{meta['name']}")
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[plural, meta["namespace"], meta["name"]] = raw
        return raw

    def change(self, plural: str, name: str, change: Callable[[Json], None]) -> Json:
        """Change an object as somebody else would."""
        raw: Json = json.loads(json.dumps(self.objects[plural, "ns", name]))
        change(raw)
        return self.add(plural, raw)

    def remove(self, plural: str, name: str) -> Json:
        """Delete an object as somebody else would; returns what a watch says of it."""
        raw = self.objects.pop((plural, "ns", name))
        version = str(next(self._versions))
        return {**raw, "metadata": {**raw["metadata"], "resourceVersion": version}}

    async def _exchange(self, request: Request) -> tuple[int, bytes]:
        self.calls.append(f"{request} {request.query.get('labelSelector', '')}".strip())
        if self.answers:
            code, body = self.answers.pop(0)
        else:
            code, body = self._answer(request)
        self._tell(Call(request.verb, request.label, code, 0.0))
        return code, json.dumps(body).encode()

    def _answer(self, request: Request) -> tuple[int, Json]:
        if request.verb == "list":
            return 200, self._list(request)
        if request.verb == "create":
            assert isinstance(request.body, dict)
            name = request.body["metadata"]["name"]
            if (request.resource.plural, request.namespace, name) in self.objects:
                return 409, {"reason": "AlreadyExists"}
            raw = json.loads(json.dumps(request.body))
            raw["metadata"].setdefault("namespace", request.namespace)
            return 201, self.add(request.resource.plural, raw)
        place = (request.resource.plural, request.namespace or "", request.name or "")
        raw = self.objects.get(place)
        if raw is None:
            return 404, {"reason": "NotFound"}
        if request.verb == "get":
            return 200, raw
        return self._change(request, place, raw)

    def _change(self, request: Request, place: Place, raw: Json) -> tuple[int, Json]:
        body = request.body or {}
        assert isinstance(body, dict), "no JSON patches here"
        guard = body.get("preconditions") or body.get("metadata", {})
        for field in ("uid", "resourceVersion"):
            if guard.get(field, raw["metadata"][field]) != raw["metadata"][field]:
                return 409, {"reason": "Conflict"}
        if request.verb == "delete":
            del self.objects[place]
            return 200, {"kind": "Status"}
        if request.verb == "replace":
            return 200, self.add(place[0], json.loads(json.dumps(body)))
        if request.verb == "apply":
            return 200, self.add(place[0], {**raw, "status": body["status"]})
        return 200, self.add(place[0], merged(raw, body))

    def _list(self, request: Request) -> Json:
        rules = [rule for rule in request.query.get("labelSelector", "").split(",") if rule]
        items = [
            raw
            for (plural, namespace, _), raw in self.objects.items()
            if plural == request.resource.plural
            and request.namespace in (None, namespace)
            and all(_matches(raw["metadata"].get("labels", {}), rule) for rule in rules)
        ]
        return {"metadata": {"resourceVersion": str(next(self._versions))}, "items": items}


def merged(raw: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(raw) if isinstance(raw, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _matches(labels: Json, rule: str) -> bool:
    if " in (" in rule:
        key, _, values = rule.partition(" in (")
        return labels.get(key) in values.rstrip(")").split("|")
    key, _, value = rule.partition("=")
    return bool(labels.get(key) == value)
