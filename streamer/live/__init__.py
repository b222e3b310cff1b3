"""Streams that don't wait: live sources, the policy under time pressure, one encode for all viewers."""
