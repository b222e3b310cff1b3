"""What an Opus packet says of itself (RFC 6716)."""

from __future__ import annotations

_SILK = (480, 960, 1920, 2880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)


def samples_of(packet: bytes) -> int:
    """Samples at 48 kHz that a packet lasts (RFC 6716, section 3.1); 0 where it is none."""
    if not packet:
        return 0
    config, code = packet[0] >> 3, packet[0] & 3
    if code == 3:
        return _frame(config) * (packet[1] & 63 if len(packet) > 1 else 0)
    return _frame(config) * (1 if code == 0 else 2)


def _frame(config: int) -> int:
    """Samples of one frame, by its configuration (RFC 6716, table 2)."""
    if config < 12:
        return _SILK[config % 4]
    return _HYBRID[config % 2] if config < 16 else _CELT[config % 4]
