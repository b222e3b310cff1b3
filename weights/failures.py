"""What a runtime says when it fails, in one line."""

from __future__ import annotations


def reason(error: Exception) -> str:
    """The first line that says something; OpenVINO begins with those of its own source."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line for line in lines if line and not line.startswith("Exception from ")), type(error).__name__)
