"""What `muster new` refuses, and that nothing is written then."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.cli.misuse import Misuse
from muster.cli.new.naming import package_of
from muster.cli.status import exit_status

New = Callable[..., tuple[int, str]]


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> New:
    """`muster new` in an empty directory: its exit status, and what it says."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        status = exit_status(["new", *arguments])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


@pytest.mark.parametrize(
    ("name", "package"),
    [("orders", "orders"), ("order-history", "order_history"), ("Shop.v2", "shop_v2"), ("a_b", "a_b")],
)
def test_the_package_of_a_name(name: str, package: str) -> None:
    assert package_of(name) == package


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "needs a name"),
        ("../orders", "only letters, digits"),
        ("or ders", "only letters, digits"),
        ("-orders", "only letters, digits"),
        ("größe", "only letters, digits"),
        ("o" * 200, "200 characters"),
        ("3d", "begin with a letter"),
        ("class", "a word of Python's own: choose another name"),
        ("json", "hides the one"),
        ("grpc", "hides the one"),
        ("Muster", "hides the one"),
        ("consul", "the registry calls itself"),
    ],
)
def test_names_that_cannot_be_used(name: str, says: str) -> None:
    with pytest.raises(Misuse, match=says):
        package_of(name)


def test_a_directory_with_something_in_it_is_left_alone(new: New) -> None:
    Path("orders").mkdir()
    Path("orders", "notes.txt").write_text("mine")
    status, said = new("orders")
    assert (status, said) == (
        2,
        "error: 'orders' is there already: nothing was written; choose another name or remove it\n",
    )
    assert [path.name for path in Path("orders").iterdir()] == ["notes.txt"]


def test_an_empty_directory_is_used_and_a_file_is_not(new: New) -> None:
    Path("orders").mkdir()
    assert new("orders")[0] == 0
    assert Path("orders", "orders", "service.py").is_file()
    Path("billing").write_text("mine")
    assert "'billing' is there already" in new("billing")[1]


def test_two_kinds_at_once(new: New) -> None:
    assert new("orders", "--grpc", "--fastapi") == (
        2,
        "error: --grpc and --fastapi are two kinds of project: choose one\n",
    )
    assert not Path("orders").exists()


def test_a_name_is_checked_before_anything_is_written(new: New, tmp_path: Path) -> None:
    status, said = new("json")
    assert status == 2
    assert "hides the one" in said
    assert not list(tmp_path.iterdir())


def test_without_the_compiler_of_proto_files_nothing_is_written(
    new: New, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "grpc_tools", None)  # how Python notes what is not there
    assert new("orders", "--grpc") == (
        2,
        "error: --grpc makes code from a .proto file with grpcio-tools: pip install grpcio-tools\n",
    )
    assert not list(tmp_path.iterdir())


def test_a_disk_that_takes_nothing(new: New) -> None:
    Path("orders").symlink_to("/proc/nowhere")
    status, said = new("orders")
    assert status == 1
    assert "cannot be written" in said


def test_help_has_an_example(new: New) -> None:
    status, said = new("--help")
    assert status == 0
    assert "Example: muster new" in said
