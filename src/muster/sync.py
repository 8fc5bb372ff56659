"""muster for threads: `muster.sync.Client`, the counterpart of `muster.Client` where there is no event loop."""

from __future__ import annotations

from muster.app.sync import Client
from muster.client.sync_pool import SyncLease as Lease
from muster.client.sync_pool import SyncPool as Pool

__all__ = ["Client", "Lease", "Pool"]
