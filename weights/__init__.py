"""What weights exist, where they lie, and how they become a running session."""

import sys

# OpenVINO counts its users: on import it writes to the home folder, forks, and calls home, unless its reporting package
# is not installed. None says to Python that it is not; this file runs before any other of the room imports OpenVINO.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is how Python spells it
