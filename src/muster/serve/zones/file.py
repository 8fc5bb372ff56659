"""A zone that stands in a file, as Kubernetes' downward API and cloud-init write them."""

from __future__ import annotations

from pathlib import Path

from muster.model.errors import BadConfiguration


async def zone(path: str) -> str:
    """What the file says. Raises BadConfiguration where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8")  # noqa: ASYNC240  some bytes of a local file, once
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"MUSTER_ZONE_FROM=file:{path}: {error}") from error
