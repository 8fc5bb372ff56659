"""muster for threads: `muster.sync.Client`, the counterpart of `muster.Client` where there is no event loop."""

from __future__ import annotations

from muster.app.sync import Client

__all__ = ["Client"]
