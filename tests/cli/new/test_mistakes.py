"""What `muster new` refuses, and that nothing is written then."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command

from muster.cli.misuse import Misuse
from muster.cli.new.naming import package_of


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
        ("class", "cannot import"),
        ("json", "hides the one"),
        ("grpc", "hides the one"),
        ("Muster", "hides the one"),
        ("consul", "the registry calls itself"),
    ],
)
def test_names_that_cannot_be_used(name: str, says: str) -> None:
    with pytest.raises(Misuse, match=says):
        package_of(name)


def test_a_directory_with_something_in_it_is_left_alone(muster: Command) -> None:
    (muster.directory / "orders").mkdir()
    (muster.directory / "orders" / "notes.txt").write_text("mine")
    done = muster("new", "orders")
    assert (done.status, done.out) == (2, "")
    assert "'orders' is there already: nothing was written" in done.error
    assert [path.name for path in (muster.directory / "orders").iterdir()] == ["notes.txt"]


def test_an_empty_directory_is_used_and_a_file_is_not(muster: Command) -> None:
    (muster.directory / "orders").mkdir()
    assert muster("new", "orders").status == 0
    assert (muster.directory / "orders" / "orders" / "service.py").is_file()
    (muster.directory / "billing").write_text("mine")
    assert "'billing' is there already" in muster("new", "billing").error


def test_two_kinds_at_once(muster: Command) -> None:
    done = muster("new", "orders", "--grpc", "--fastapi")
    assert (done.status, done.error) == (2, "--grpc and --fastapi are two kinds of project: choose one")
    assert not (muster.directory / "orders").exists()


def test_a_name_is_checked_before_anything_is_written(muster: Command) -> None:
    assert "hides the one" in muster("new", "json").error
    assert not list(muster.directory.glob("json*"))


def test_without_the_compiler_of_proto_files_nothing_is_written(muster: Command) -> None:
    """Python takes a module that is None for one that is not there."""
    (muster.directory / "sitecustomize.py").write_text("import sys\nsys.modules['grpc_tools'] = None\n")
    done = muster("new", "orders", "--grpc", PYTHONPATH=str(muster.directory))
    assert (done.status, done.error) == (
        2,
        "--grpc makes code from a .proto file with grpcio-tools: pip install grpcio-tools",
    )
    assert not (muster.directory / "orders").exists()


def test_a_disk_that_takes_nothing(muster: Command) -> None:
    (muster.directory / "orders").symlink_to("/proc/nowhere")
    done = muster("new", "orders")
    assert done.status == 1
    assert "cannot be written" in done.error


def test_help_has_an_example(muster: Command) -> None:
    done = muster("new", "--help")
    assert (done.status, "Example: muster new" in done.out) == (0, True)
