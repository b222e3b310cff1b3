"""What a runtime says when it fails, in one line."""

from __future__ import annotations

from weights.failures import reason

__all__ = ["reason"]
