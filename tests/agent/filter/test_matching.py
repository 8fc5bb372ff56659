from __future__ import annotations

from typing import Any

import pytest

from muster.agent.filter import BadFilter, compile_filter
from muster.agent.filter.schema import CATALOG_SERVICE, CHECK, ENTRY, NODE, SERVICE, Schema

ENTRY_OF_DB: dict[str, Any] = {
    "Node": {"ID": "", "Node": "n", "Address": "10.0.0.1", "Datacenter": "dc1", "TaggedAddresses": None, "Meta": None},
    "Service": {
        "ID": "db-1",
        "Service": "db",
        "Tags": ["v1", "primary"],
        "Meta": {"env": "prod", "a b": ""},
        "Port": 80,
        "Address": "",
        "TaggedAddresses": {"lan": {"Address": "10.0.0.1", "Port": 80}},
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
        "Proxy": {"MeshGateway": {}, "Expose": {}},
        "Connect": {},
    },
    "Checks": [{"CheckID": "a", "Status": "passing"}, {"CheckID": "b", "Status": "critical"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Service.Service == db", True),
        ("Service.Service == Db", False),
        ("Service.Service != db", False),
        ("Service.Port == 80", True),
        ("Service.Port == `0x50`", True),
        ("Service.Port == `0120`", True),
        ("Service.EnableTagOverride == false", True),
        ("Service.EnableTagOverride != `T`", True),
        ("primary in Service.Tags", True),
        ("Service.Tags contains prim", False),
        ("prim in Service.ID", False),
        ("`b-` in Service.ID", True),
        ("Service.Tags is empty", False),
        ("Node.Meta is empty", True),
        ("Service.Meta.env == prod", True),
        ('Service.Meta["a b"] == ""', True),
        ("env in Service.Meta", True),
        ("prod in Service.Meta", False),
        ("Node.Meta.x == y", False),
        ("Node.Meta.x != y", True),
        ("y in Node.Meta.x", False),
        ("y not in Node.Meta.x", True),
        ("Node.Meta.x matches y", True),
        ("Node.Meta.x not matches y", True),
        ("Service.ID matches `^db-[0-9]+$`", True),
        ("Service.ID not matches `b-`", False),
        ("Checks.Status == critical", True),
        ("Checks.Status == warning", False),
        ("Checks.Status != passing", True),
        ("not Checks.Status == critical", False),
        ("Checks is empty", False),
        ("Checks.ServiceTags is empty", True),
        ("Service.TaggedAddresses.lan.Port == 80", True),
        ("Service.TaggedAddresses.wan.Port == 80", False),
        ("Service.Proxy.Upstreams is empty", True),
        ("Service.Proxy.Upstreams.DestinationName == x", False),
        ("Service.Connect.Native == false", True),
        ("Service.Port == 1 or Service.Port == 80 and Node.Node == n", True),
        ("not (Service.Port == 80 and Node.Node == m)", True),
    ],
)
def test_what_matches(text: str, expected: bool) -> None:
    assert compile_filter(text, ENTRY)(ENTRY_OF_DB) is expected


@pytest.mark.parametrize(
    ("schema", "text", "why"),
    [
        (SERVICE, "Nope == 1", 'Selector "Nope" is not valid'),
        (SERVICE, "Meta.a.b == 1", 'Selector "Meta.a.b" is not valid'),
        (NODE, "CreateIndex == 1", 'Selector "CreateIndex" is not valid'),
        (CHECK, "Definition == 1", 'Selector "Definition" is not valid'),
        (CATALOG_SERVICE, "ServiceService == 1", 'Selector "ServiceService" is not valid'),
        (ENTRY, "Service == db", 'Invalid match operator "Equal" for selector "Service"'),
        (ENTRY, "Checks.Status is empty", 'Invalid match operator "Is Empty" for selector "Checks.Status"'),
        (SERVICE, "Tags matches x", 'Invalid match operator "Matches" for selector "Tags"'),
        (
            SERVICE,
            "Port == x",
            'Failed to coerce value "x" for selector "Port": strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            SERVICE,
            "Port == 99999999999999999999",
            'Failed to coerce value "99999999999999999999" for selector "Port": '
            'strconv.ParseInt: parsing "99999999999999999999": value out of range',
        ),
        (
            SERVICE,
            "EnableTagOverride == x",
            'Failed to coerce value "x" for selector "EnableTagOverride": '
            'strconv.ParseBool: parsing "x": invalid syntax',
        ),
        (
            SERVICE,
            "ID matches `(`",
            'Failed to compile regular expression "(": error parsing regexp: missing closing ): `(`',
        ),
    ],
)
def test_what_does_not_fit(schema: Schema, text: str, why: str) -> None:
    with pytest.raises(BadFilter) as error:
        compile_filter(text, schema)
    assert str(error.value) == why
