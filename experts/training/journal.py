"""What a training leaves to be looked at: its figures, a line of JSON each, and contact sheets."""

from __future__ import annotations

import json
from pathlib import Path

from experts.training.files import write_whole


class Journal:
    """`log.jsonl` and `samples/` in `folder`.

    Every line has `step` and `seconds`; then either `rate` and the means of the weighted terms in `loss`, or
    `held_out`, see `held_out.Figures`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.jsonl"
        self._samples = folder / "samples"

    def rewind(self, step: int) -> None:
        """Drops what was logged after `step`, when a run that was killed goes on from there."""
        if not self.path.is_file():
            return
        # The last line may be half a line.
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        write_whole(self.path, "".join(line for line in whole if json.loads(line)["step"] <= step).encode())

    def note(self, step: int, seconds: float, figures: dict[str, object]) -> None:
        """Adds a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "seconds": round(seconds, 1), **figures}) + "\n")

    def show(self, step: int, sheet: bytes) -> None:
        """Adds a contact sheet."""
        self._samples.mkdir(exist_ok=True)
        write_whole(self._samples / f"step-{step:07d}.png", sheet)
