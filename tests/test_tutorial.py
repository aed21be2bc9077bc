"""The tutorial's commands run as they stand there, in order, in one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"


def script() -> str:
    """Return all shell blocks of the tutorial as one script."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 8
    return "set -euo pipefail\n" + "\necho '=== block'\n".join(blocks)


def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    environ = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        ["bash", "-c", script()], env=environ, capture_output=True, text=True, check=False, timeout=200
    )
    assert done.returncode == 0, done.stderr
    blocks = done.stdout.split("=== block\n")
    assert "Łukasz Wiśniewski" in blocks[2]
    assert "crm.customer.import" in blocks[3]
    assert "lukasz@example.org" in blocks[4]
    assert "2035-01-01" in blocks[5]
    gone = blocks[7]
    assert "lukasz@example.org" not in gone
    assert "Ayşe Yıldırım" in gone
    assert gone.count("2026-00") == 2
    assert "holds" in blocks[8]
    assert "broken" not in blocks[8]
    assert list(tmp_path.iterdir()) == []
