"""The base of all observation kinds."""

from __future__ import annotations

import msgspec


class Observation(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", omit_defaults=True
):
    """One fact with its time and where it came from."""

    id: str  # "o1", "o2", … in the order of the run
