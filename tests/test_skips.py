"""The rule of conftest.py that no test skips unseen, tried on suites of one test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run_suite(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "pytest.ini").write_text(f"[pytest]\nmarkers = shared\npythonpath = {ROOT}\n")
    (folder / "test_one.py").write_text(f"import pytest\n{body}\n")
    environment = {**os.environ, "FACELANE_SHARED": str(folder / "absent")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", str(folder)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("def test_one(): pass", 0, "1 passed"),
        ("@pytest.mark.shared\ndef test_one(shared_data): pass", 0, "the shared development data is not here"),
        ("def test_one(shared_data): pass", 4, "mark it @pytest.mark.shared"),
        ("def test_one(): pytest.skip('tired')", 1, "FORBIDDEN SKIP"),
        ("@pytest.mark.skip\ndef test_one(): pass", 1, "FORBIDDEN SKIP"),
        ("pytest.importorskip('no_such_module')", 1, "FORBIDDEN SKIP"),
        ("@pytest.mark.xfail(strict=True)\ndef test_one(): assert False", 0, "1 xfailed"),
    ],
)
def test_only_shared_tests_may_skip(tmp_path: Path, body: str, code: int, said: str) -> None:
    result = run_suite(tmp_path, body)
    assert (result.returncode, said in result.stdout + result.stderr) == (code, True), result.stdout + result.stderr
