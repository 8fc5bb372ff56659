"""JSON bodies as Go decodes them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.agent.api.answer import Refused
from muster.agent.api.body import decode_body
from muster.registry.consul.wire import CheckRegistration, ServiceAddress, ServiceCheck, ServiceRegistration


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('{"Name":"a"}', ServiceRegistration(name="a")),
        ('{"NAME":"a","pOrT":1}', ServiceRegistration(name="a", port=1)),
        ('{"Name":"a"}{"Name":"b"}', ServiceRegistration(name="a")),
        ('  {"Name":"a"} garbage', ServiceRegistration(name="a")),
        ("null", ServiceRegistration()),
        ('{"Name":"a","Tags":null,"Check":null}', ServiceRegistration(name="a")),
        ('{"enable_tag_override":true}', ServiceRegistration(enable_tag_override=True)),
        (
            '{"tagged_addresses":{"LAN":{"address":"10.0.0.1","PORT":2}}}',
            ServiceRegistration(tagged_addresses={"LAN": ServiceAddress(address="10.0.0.1", port=2)}),
        ),
        ('{"Meta":{"Key":"v","key":"w"}}', ServiceRegistration(meta={"Key": "v", "key": "w"})),
        ('{"Check":{"ttl":"1s","CHECKID":"x"}}', ServiceRegistration(check=ServiceCheck(ttl="1s", check_id="x"))),
        (
            '{"Checks":[{"HTTP":"u","Header":{"x-A":["b"]},"tls_skip_verify":true,"Interval":1000000000}]}',
            ServiceRegistration(
                checks=[ServiceCheck(http="u", header={"x-A": ["b"]}, tls_skip_verify=True, interval=10**9)]
            ),
        ),
        ('{"check":{"args":["a"],"service_id":"ignored"}}', None),
    ],
)
def test_what_go_takes_is_taken(body: str, asked: ServiceRegistration | None) -> None:
    decoded = decode_body(body.encode(), ServiceRegistration)
    assert asked is None or decoded == asked


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("", "EOF"),
        ("  ", "EOF"),
        ("{", "unexpected EOF"),
        ('{"Name":"a"', "unexpected EOF"),
        ('{"Name":"a', "unexpected EOF"),
        ('{"Name":"a",}', "invalid character '}' looking for beginning of object key string"),
        ('{"Name" "a"}', "invalid character '\"' after object key"),
        ("garbage", "invalid character 'g' looking for beginning of value"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
        ('{"Name":"\\q"}', "invalid character 'q' in string escape code"),
        ('{"Bogus":1}', 'json: unknown field "Bogus"'),
        ('{"Check":{"Bogus":1}}', 'json: unknown field "Bogus"'),
        ('{"Checks":[{"check_id":"x"}]}', 'json: unknown field "check_id"'),
        ('{"Weights":{"bogus":1}}', 'json: unknown field "bogus"'),
        ('{"Namespace":"default"}', 'json: unknown field "Namespace"'),
        ('{"Name":3}', "json: cannot unmarshal number into Go struct field .Name of type string"),
        ('{"Port":"80"}', "json: cannot unmarshal string into Go struct field .Port of type int"),
        ('{"Tags":"a"}', "json: cannot unmarshal string into Go struct field .Tags of type []string"),
        ('{"Tags":[1]}', "json: cannot unmarshal number into Go struct field .Tags of type string"),
        ('{"Meta":{"a":1}}', "json: cannot unmarshal number into Go struct field .Meta of type string"),
        ('{"Meta":[]}', "json: cannot unmarshal array into Go struct field .Meta of type map[string]string"),
    ],
)
def test_what_go_refuses_is_refused_in_its_words(body: str, complaint: str) -> None:
    with pytest.raises(Refused) as caught:
        decode_body(body.encode(), ServiceRegistration)
    answer = caught.value.answer
    assert (answer.status, answer.body.decode()) == (400, f"Request decode failed: {complaint}")


def test_the_checks_id_has_another_key_on_its_own() -> None:
    assert decode_body(b'{"ID":"x","service_id":"s"}', CheckRegistration) == CheckRegistration(id="x", service_id="s")
    with pytest.raises(Refused, match='unknown field "CheckID"'):
        decode_body(b'{"CheckID":"x"}', CheckRegistration)


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert decode_body(b'{"Name":"a\xe9"}', ServiceRegistration).name == "a\ufffd"


def test_half_a_surrogate_pair_is_replaced() -> None:
    decoded = decode_body(
        rb'{"Name":"a\ud800","Tags":["\udc00b","\ud83d\ude00"],"Meta":{"\ud800":""}}', ServiceRegistration
    )
    assert decoded == ServiceRegistration(name="a\ufffd", tags=["\ufffdb", "\U0001f600"], meta={"\ufffd": ""})


def test_depth_is_bounded() -> None:
    for deep in (
        b"[" * 100_000,
        b'{"Proxy":' + b'{"a":' * 100_000,
        b'{"Proxy":' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    ):
        with pytest.raises(Refused):
            decode_body(deep, ServiceRegistration)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_keys = st.sampled_from(
    ["Name", "port", "TAGS", "meta", "Check", "checks", "Weights", "tagged_addresses", "Proxy", "x"]
)


@given(st.dictionaries(_keys, _json, max_size=4) | _json)
def test_any_json_is_taken_or_refused(value: object) -> None:
    assert status_of(json.dumps(value).encode()) in (200, 400)


@given(st.binary(max_size=64))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    assert status_of(body) in (200, 400)


def status_of(body: bytes) -> int:
    try:
        decode_body(body, ServiceRegistration)
    except Refused as refused:
        return refused.answer.status
    return 200
