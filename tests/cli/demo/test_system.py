from __future__ import annotations

import pytest

from muster.cli.demo.system import System, child_environ
from muster.cli.misuse import Misuse


def test_settings_that_would_change_the_story_are_left_out() -> None:
    environ = {"PATH": "/bin", "MUSTER_OVERRIDES": "x", "MUSTER_REGISTER": "off", "CONSUL_HTTP_TOKEN": "t"}
    assert child_environ(environ, None) == {"PATH": "/bin", "CONSUL_HTTP_TOKEN": "t"}


@pytest.mark.parametrize(
    ("given", "environ", "registry"),
    [
        ("consul://a:1", {"MUSTER_REGISTRY": "consul://b:1"}, "consul://a:1"),
        (None, {"MUSTER_REGISTRY": "consul://b:1"}, "consul://b:1"),
        (None, {"CONSUL_HTTP_ADDR": "b:1"}, None),
        (None, {}, None),
    ],
)
def test_which_registry(given: str | None, environ: dict[str, str], registry: str | None) -> None:
    assert System(given, environ).registry == registry


def test_among_others_the_demo_has_a_name_of_its_own() -> None:
    assert System(None, {}).service == "greeter"
    assert System(None, {"CONSUL_HTTP_ADDR": "b:1"}).service.startswith("greeter-demo-")
    assert System(None, {"CONSUL_HTTP_ADDR": " "}).service == "greeter"


def test_a_registry_within_a_process_is_refused() -> None:
    with pytest.raises(Misuse, match="in memory"):
        System("memory://x", {})
