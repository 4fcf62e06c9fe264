"""Nobody else's search is open unless an operator said so in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from opensearch.settings import WrongSettings, read
from searchapi.guard import NotGuarded, loopback, require_guard
from searchapi.keys import KeysRejected, Role, new
from searchapi.settings import TO_ANYONE, Settings

SEARCHAPI = Path(sys.executable).with_name("searchapi")


def guarded(**environ: str) -> bool:
    """Whether it may start with this environment."""
    try:
        require_guard(read(Settings, environ))
    except (NotGuarded, KeysRejected):
        return False
    return True


def keys_of(folder: Path, *roles: Role) -> str:
    """A file with one key of these roles."""
    file = folder / "keys.toml"
    file.write_text(new("ana", frozenset(roles)).line)
    return str(file)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "::ffff:127.0.0.1"])
def test_on_the_machine_itself_it_is_open(host: str) -> None:
    """Whoever runs there could ask OpenSearch as well; not where a proxy brings others."""
    assert guarded(SEARCHAPI_HOST=host)
    assert not guarded(SEARCHAPI_HOST=host, TRUSTED_PROXIES="1")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "192.168.1.10", "no-such-host.invalid"])
def test_elsewhere_it_needs_keys_or_words(host: str, tmp_path: Path) -> None:
    """An address of which nobody knows whose it is counts as everybody's."""
    assert not guarded(SEARCHAPI_HOST=host)
    assert guarded(SEARCHAPI_HOST=host, SEARCHAPI_OPEN=TO_ANYONE)
    assert guarded(SEARCHAPI_HOST=host, API_KEYS_FILE=keys_of(tmp_path, Role.SEARCH))


@pytest.mark.parametrize("words", ["1", "true", "yes", "to anyone"])
def test_only_the_words_open_it(words: str) -> None:
    """They say what they do; nobody writes them by habit."""
    with pytest.raises(WrongSettings, match=f"SEARCHAPI_OPEN={TO_ANYONE}"):
        guarded(SEARCHAPI_OPEN=words)


def test_a_file_of_keys_that_lets_nobody_search_closes_nothing(tmp_path: Path) -> None:
    """Such as one that holds keys for explanations alone: here the search stays open, elsewhere it is not opened by it."""
    file = keys_of(tmp_path, Role.EXPLAIN)
    assert guarded(API_KEYS_FILE=file)
    with pytest.raises(NotGuarded, match=r"no key in .* has the role search.*SEARCHAPI_OPEN='to anyone who can reach it'"):
        require_guard(read(Settings, {"API_KEYS_FILE": file, "SEARCHAPI_HOST": "0.0.0.0"}))
    assert guarded(API_KEYS_FILE=file, SEARCHAPI_HOST="0.0.0.0", SEARCHAPI_OPEN=TO_ANYONE)


def test_a_faulty_file_of_keys_is_refused_also_where_the_search_is_open(tmp_path: Path) -> None:
    """The rest needs keys."""
    file = tmp_path / "keys.toml"
    file.write_text("ana = {")
    assert not guarded(API_KEYS_FILE=str(file), SEARCHAPI_OPEN=TO_ANYONE)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"SEARCHAPI_HOST": "0.0.0.0"}, "others could search here (SEARCHAPI_HOST=0.0.0.0)"),
        ({"TRUSTED_PROXIES": "1"}, "others could search here (TRUSTED_PROXIES=1)"),
        ({"KEY_LIMIT": "often"}, "KEY_LIMIT (how often a key without a limit of its own may ask): Value error, must be a number"),
        ({"ACCESS_LOG": "/nowhere/access.log"}, "ACCESS_LOG=/nowhere/access.log cannot be written"),
        ({"OPENSEARCH_USERNAME": "ana"}, "OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD_FILE go together"),
    ],
)  # fmt: skip
def test_the_command_refuses_with_a_sentence(environ: dict[str, str], says: str, tmp_path: Path) -> None:
    """And exit status 2: nothing was started."""
    clean = {name: value for name, value in os.environ.items() if name in {"PATH", "PYTHONPATH"}}
    told = subprocess.run([SEARCHAPI], cwd=tmp_path, env=clean | environ, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 2
    assert says in told.stderr
    assert "Traceback" not in told.stderr


def test_an_address_of_the_machine_is_known() -> None:
    """What is no address is none of its."""
    assert loopback("::ffff:127.0.0.1")
    assert not loopback("::ffff:10.0.0.1")
    assert not loopback("")
    assert not loopback("unix")
