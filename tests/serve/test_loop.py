"""uvloop only where the processes that a service starts are safe from gRPC's fork handlers."""

from __future__ import annotations

import pytest

from muster.serve.loop import loop_factory


@pytest.mark.parametrize("environ", [{}, {"GRPC_ENABLE_FORK_SUPPORT": "1"}, {"GRPC_ENABLE_FORK_SUPPORT": ""}])
def test_asyncios_own_loop_unless_forks_are_none_of_grpcs_business(environ: dict[str, str]) -> None:
    assert loop_factory(environ) is None


@pytest.mark.parametrize("off", ["0", "false", "False"])
def test_uvloop_where_it_is_asked_for(off: str) -> None:
    new_event_loop = pytest.importorskip("uvloop").new_event_loop
    assert loop_factory({"GRPC_ENABLE_FORK_SUPPORT": off}) is new_event_loop
