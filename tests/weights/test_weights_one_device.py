"""Every network keeps to the device that it is on, whatever that is: told where no card is."""

from __future__ import annotations

import json
import subprocess
import sys


def test_networks_make_nothing_on_another_device_than_theirs() -> None:
    command = [sys.executable, "-m", "tests.helpers.one_device"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    found: dict[str, str] = json.loads(told.stdout.splitlines()[-1])
    assert "device" in found.pop("stray")
    assert {name: fault for name, fault in found.items() if fault} == {}
    assert {"transformer", "frequency", "background", "mtcnn-onet", "dlib", "parsenet"} <= set(found)
