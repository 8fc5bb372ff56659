"""The token, and the file that it may be in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from muster.model.errors import BadConfiguration
from muster.registry.consul.token import Token


def test_as_given() -> None:
    assert Token("abc", "").current() == "abc"
    assert Token("", "").current() == ""


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" first\n")
    token = Token("ignored", str(file))
    assert [token.current(), token.current()] == ["first", "first"]
    new = tmp_path / "new"
    new.write_text("other\n")
    os.replace(new, file)
    assert token.current() == "other"


def test_a_change_within_the_same_second_and_size_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("aaa")
    os.utime(file, ns=(1, 1))
    token = Token("", str(file))
    assert token.current() == "aaa"
    file.write_text("bbb")
    os.utime(file, ns=(2, 2))
    assert token.current() == "bbb"


def test_a_file_that_vanishes_or_empties_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is being replaced. Should it stay so, the log has said it, once."""
    file = tmp_path / "token"
    file.write_text("abc")
    token = Token("", str(file))
    token.current()
    file.unlink()
    assert [token.current(), token.current()] == ["abc", "abc"]
    file.write_text("")
    assert [token.current(), token.current()] == ["abc", "abc"]
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == [
        "No such file or directory",
        f"token file {file} is empty",
    ]
    file.write_text("defg")
    assert token.current() == "defg"
    assert "abc" not in caplog.text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"a\nb", "no token"),
        ("tökén".encode(), "no token"),
        (b"\xff\x00", "no token"),
    ],
)
def test_a_file_without_a_token_is_named(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(BadConfiguration, match=text) as caught:
        Token("", str(file)).current()
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="No such file"):
        Token("", str(tmp_path / "none")).current()
