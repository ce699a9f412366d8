"""``python -m ribocyte``: the same as ``ribocyte``."""

from __future__ import annotations

from ribocyte.cli import main

if __name__ == "__main__":
    main()
