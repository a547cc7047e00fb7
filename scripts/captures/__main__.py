"""Makes the synthetic captures anew: `make captures`."""

from __future__ import annotations

from pathlib import Path

from scripts.captures.shelf import put, shelf
from scripts.captures.stories import ALL

FOLDER = Path(__file__).parent.parent.parent / "captures" / "synthetic"


def main() -> None:
    """Write all of them."""
    files = shelf(ALL)
    put(files, FOLDER)
    size = sum(map(len, files.values())) / 1e6
    print(f"{len(ALL)} synthetic captures, {size:.1f} MB with their keys, in captures/synthetic")


if __name__ == "__main__":
    main()
