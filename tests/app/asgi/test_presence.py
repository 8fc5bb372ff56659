"""Who is replaced when it ends, and who is the last one."""

from __future__ import annotations

import pytest

from muster.app.presence import replaced

GUNICORN = {"gunicorn.arbiter", "uvicorn"}
UVICORN = {"uvicorn"}
HYPERCORN = {"hypercorn"}


@pytest.mark.parametrize(
    ("modules", "signalled", "parent_listens", "expected"),
    [
        (GUNICORN, False, True, True),  # --max-requests
        (GUNICORN, False, None, True),  # the same, with a master of another user
        (GUNICORN, False, False, False),  # its master has gone
        (GUNICORN, True, True, True),  # SIGHUP
        (GUNICORN, True, False, False),  # the master stops: it has closed the port
        (GUNICORN, True, None, False),
        (UVICORN, False, True, True),  # --limit-max-requests, with --workers
        (UVICORN, False, False, False),  # one process
        (UVICORN, True, True, False),  # the parent stops, and has the port to the end
        (HYPERCORN, False, True, False),  # its workers are told to stop by no signal
    ],
)
def test_whether_another_process_will_serve_at_the_port(
    modules: set[str], signalled: bool, parent_listens: bool | None, expected: bool
) -> None:
    assert replaced(signalled, parent_listens, modules) is expected
