"""API keys: made once, kept as hashes, revoked by taking a line out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from searchapi import cli
from searchapi.keys import Keyring, KeysRejected, Role, keys, new

EXPLAIN = frozenset({Role.EXPLAIN})


def opens(keyring: Keyring, secret: str) -> frozenset[Role] | None:
    """What this key opens; None where the file does not have it."""
    holder = keyring.holder(secret)
    return holder.roles if holder else None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty file of keys."""
    path = tmp_path / "keys.toml"
    path.write_text("")
    return path


def test_a_new_key_opens_what_its_line_says(file: Path) -> None:
    """And the file holds nothing that opens anything."""
    made = new("ana", EXPLAIN)
    file.write_text(f"# operators\n{made.line}\n")
    assert opens(Keyring(file), made.secret) == EXPLAIN
    assert made.secret not in file.read_text()
    assert len(made.secret) >= 43  # 256 bits in base64


def test_two_keys_are_never_the_same() -> None:
    """Each is random."""
    assert new("ana", EXPLAIN).secret != new("ana", EXPLAIN).secret


@pytest.mark.parametrize("secret", ["", "bulario_", "x" * 10_000, "ã\n\0", "9" * 64])
def test_any_other_key_opens_nothing(file: Path, secret: str) -> None:
    """Nor does a hash in a key's place."""
    made = new("ana", EXPLAIN)
    file.write_text(made.line)
    keyring = Keyring(file)
    assert opens(keyring, secret) is None
    assert opens(keyring, made.line.split('"')[1]) is None


def test_without_a_file_no_key_opens_anything() -> None:
    """There is nothing to guess."""
    assert opens(Keyring(None), new("ana", EXPLAIN).secret) is None


def test_a_line_taken_out_is_a_key_revoked_at_once(file: Path) -> None:
    """And one put in opens at once: nobody restarts anything."""
    ana, rui = new("ana", EXPLAIN), new("rui", EXPLAIN)
    file.write_text(f"{ana.line}\n{rui.line}\n")
    keyring = Keyring(file)
    assert opens(keyring, ana.secret)
    file.write_text(f"{rui.line}\n")
    os.utime(file, ns=(1, 1))  # a coarse clock
    assert opens(keyring, ana.secret) is None
    assert opens(keyring, rui.secret)
    file.unlink()
    assert opens(keyring, rui.secret) is None


def test_a_file_that_cannot_be_read_opens_nothing_until_it_is_mended(file: Path) -> None:
    """Who edits it to revoke a key and slips must not leave it open."""
    made = new("ana", EXPLAIN)
    file.write_text(made.line)
    keyring = Keyring(file)
    assert opens(keyring, made.secret)
    file.write_text(made.line + "\nrui = {")
    assert opens(keyring, made.secret) is None
    file.write_text(made.line + "\n")
    assert opens(keyring, made.secret)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ana = {", "keys new"),
        ('ana = { sha256 = "123", roles = ["explain"] }', "ana.sha256"),
        (f'ana = {{ sha256 = "{"0" * 64}", roles = ["root"] }}', "ana.roles"),
        (f'ana = {{ sha256 = "{"0" * 64}" }}', "ana.roles"),
        (f'ana = {{ sha256 = "{"0" * 64}", roles = [], until = 3 }}', "ana.until"),
        ('ana = "secret"', "ana"),
    ],
)
def test_a_faulty_file_is_told_by_its_line_and_quotes_nothing(file: Path, text: str, says: str) -> None:
    """A key written there by mistake must not reach a log."""
    file.write_text(text)
    with pytest.raises(KeysRejected) as told:
        keys(file)
    assert says in str(told.value)
    assert "secret" not in str(told.value)


def test_the_command_shows_the_key_and_its_line(file: Path) -> None:
    """On standard output nothing else, so that it can be piped."""
    made = CliRunner().invoke(cli.app, ["keys", "new", "ana", "--role", "explain"])
    assert made.exit_code == 0
    secret, line = made.stdout.splitlines()
    file.write_text(line)
    assert opens(Keyring(file), secret) == EXPLAIN
    assert CliRunner().invoke(cli.app, ["keys", "new", "a b", "--role", "explain"]).exit_code == cli.MISCONFIGURED
    assert CliRunner().invoke(cli.app, ["keys", "new", "ana", "--role", "root"]).exit_code == cli.MISCONFIGURED


def test_a_faulty_file_ends_the_start_with_its_name(file: Path) -> None:
    """Not a worker of gunicorn's, later."""
    file.write_text("ana = {")
    command = [Path(sys.executable).with_name("searchapi")]
    ended = subprocess.run(command, env={"API_KEYS_FILE": str(file)}, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == cli.MISCONFIGURED
    assert str(file) in ended.stderr


@pytest.mark.parametrize("name", ["", "a b", "a.b", "ana=", 'x"', "a" * 41, "ã"])
def test_a_name_is_one_that_the_file_can_hold(name: str) -> None:
    """TOML's bare keys."""
    with pytest.raises(KeysRejected, match="name"):
        new(name, EXPLAIN)
