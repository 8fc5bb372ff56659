"""JSON in and out, by type."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import msgspec
import pydantic
import pytest

from muster.model.errors import Rejected
from muster.rpc.codec import Codec, Unfit, schema


class Struct(msgspec.Struct):
    n: int
    tags: list[str] = []


@dataclass
class Data:
    inner: Struct
    by_name: dict[str, float]


class Typed(TypedDict):
    x: int
    y: NotRequired[str]


class Inner(pydantic.BaseModel):
    when: dt.date


class Model(pydantic.BaseModel):
    n: int = pydantic.Field(ge=1)
    inner: Inner | None = None


class Holder(msgspec.Struct):
    models: list[Model]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Struct, Struct(1, ["a"])),
        (Data, Data(Struct(2), {"k": 1.5})),
        (Typed, {"x": 1}),
        (int, 7),
        (list[Struct], [Struct(1)]),
        (type(None), None),
        (str | None, None),
        (Any, {"a": [1, None]}),
        (dt.datetime, dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
        (Model, Model(n=1, inner=Inner(when=dt.date(2026, 1, 2)))),
        (Holder, Holder([Model(n=2)])),
        (list[Model] | None, [Model(n=3)]),
    ],
)
def test_there_and_back(kind: Any, value: Any) -> None:
    codec = Codec(kind)
    assert codec.decode(codec.encode(value)) == value


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        (Struct, b'{"n": "x"}', r"Struct: Expected `int`, got `str` - at `\$.n`"),
        (Struct, b'{"n": 1, "tags": [1]}', r"Expected `str`, got `int` - at `\$.tags\[0\]`"),
        (Struct, b"{}", "Object missing required field `n`"),
        (Data, b'{"inner": {}, "by_name": {}}', r"missing required field `n` - at `\$.inner`"),
        (Data, b'{"inner": {"n": 1}, "by_name": {"k": true}}', r"at `\$.by_name\[...\]`"),
        (Typed, b'{"x": 1, "y": 2}', r"at `\$.y`"),
        (int, b"1.5", "int: Expected `int`, got `float`"),
        (float, b"1e999", "Number out of range"),
        (int, b"1" * 5000, "Integer value out of range"),
        (Struct, b"", "Struct: nothing was sent: expected JSON"),
        (Struct, b" \n", "nothing was sent"),
        (Struct, b'{"n": NaN}', "JSON is malformed"),
        (float, b"Infinity", "JSON is malformed"),
        (Struct, b'{"n": 1', "truncated"),
        (Struct, b'{"n": 1} x', "malformed"),
        (Struct, b"\xff", "malformed"),
        (str, b'"\xff"', "no JSON: 'utf-8' codec"),
        (Any, b"[" * 100_000, "nested too deep"),
        (Struct, b'{"n": 1, "unknown": ' + b"[" * 100_000, "nested too deep"),
        (Model, b'{"n": 0}', "n: Input should be greater than or equal to 1"),
        (Model, b'{"n": 1, "inner": {"when": "x"}}', "inner.when: Input should be a valid date"),
        (Holder, b'{"models": [{"n": 1}, {}]}', r"n: Field required - at `\$.models\[1\]`"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(kind: Any, data: bytes, text: str) -> None:
    with pytest.raises(Unfit, match=text):
        Codec(kind).decode(data)


def test_decisions() -> None:
    """The last of a name that comes twice; fields that are not known are passed over; NaN has no JSON form."""
    assert Codec(Struct).decode(b'{"n": 1, "n": 2, "new": {}}') == Struct(2)
    assert Codec(float).encode(float("nan")) == b"null"


class Foreign:
    pass


@pytest.mark.parametrize("kind", [Foreign, complex, list[Foreign], object])
def test_a_type_without_a_json_form_is_refused(kind: Any) -> None:
    with pytest.raises(Rejected, match="has no JSON form: use msgspec"):
        Codec(kind)


@pytest.mark.parametrize("value", [Foreign(), "\ud800"])
def test_a_value_without_a_json_form_is_refused(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Codec(Any).encode(value)


def test_schemas_share_their_definitions() -> None:
    (data, holder, number), definitions = schema([Data, Holder, int])
    assert data == {"$ref": "#/$defs/Data"}
    assert number == {"type": "integer"}
    assert set(definitions) >= {"Data", "Struct", "Holder", "Inner"}
    assert holder == {"$ref": "#/$defs/Holder"}
    assert not [each for each in definitions.values() if "$defs" in each]
    models = definitions["Holder"]["properties"]["models"]["items"]
    assert models["properties"]["n"] == {"minimum": 1, "title": "N", "type": "integer"}
