"""What is installed has the templates."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

REPOSITORY = Path(__file__).parents[3]
TEMPLATES = REPOSITORY / "src" / "muster" / "cli" / "new" / "templates"


def test_the_wheel_has_every_template(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as packed:
        names = set(packed.namelist())
    templates = {str(path.relative_to(REPOSITORY / "src")) for path in TEMPLATES.rglob("*.template")}
    assert len(templates) > 10
    assert templates <= names
