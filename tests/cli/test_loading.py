from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from muster import MusterError, Service
from muster.cli.loading import load
from muster.cli.misuse import Misuse

MODULES = {
    "fine.py": "import muster\nservice = muster.Service('a')\nclass Apps:\n    inner = service\nnumber = 1\n",
    "empty.py": "",
    "broken.py": "\n1 / 0\n",
    "unreadable.py": "def (\n",
    "lacking.py": "import surely_not_installed\n",
    "refused.py": "import muster\nservice = muster.Service('no blanks')\n",
}


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name.removesuffix(".py"), None)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize("target", ["fine:service", "fine:Apps.inner"])
def test_a_service_of_the_current_directory(target: str) -> None:
    assert isinstance(load(target), Service)


@pytest.mark.usefixtures("modules")
@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("fine", "write MODULE:OBJECT"),
        (":service", "write MODULE:OBJECT"),
        ("fine:", "write MODULE:OBJECT"),
        ("fine.py:service", "as in fine:service"),
        ("./sub/fine.py:service", "as in sub.fine:service"),
        ("nowhere:service", "no module 'nowhere'"),
        ("fine.inner:service", "no module 'fine.inner'"),
        ("fine:app", "module 'fine' has no 'app'; its services: service"),
        ("empty:service", "it has no muster.Service at all"),
        ("fine:number", "fine:number is no muster.Service but an int"),
    ],
)
def test_what_cannot_be_loaded_is_explained(target: str, text: str) -> None:
    with pytest.raises(Misuse, match=text.replace("(", r"\(")):
        load(target)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("broken:service", "ZeroDivisionError: division by zero ({}/broken.py, line 2)"),
        ("unreadable:service", "SyntaxError: invalid syntax ({}/unreadable.py, line 1)"),
        ("lacking:service", "No module named 'surely_not_installed' ({}/lacking.py, line 1)"),
        ("refused:service", "service name 'no blanks' cannot be used"),
    ],
)
def test_a_fault_in_the_module_is_named_with_its_line(modules: Path, target: str, text: str) -> None:
    with pytest.raises(MusterError) as caught:
        load(target)
    assert text.format(modules) in str(caught.value)
