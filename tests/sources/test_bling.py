"""Bling's own traps: tokens that work once, texts one by one, no times, windows of a year, its 429."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from indexer.breaker import Breaker
from indexer.sources.base import Busy, Source, SourceRefused, in_turn
from indexer.sources.bling import BlingTable
from indexer.sources.config import Misconfigured
from indexer.sources.retries import Tries
from indexer.sources.tables import Surroundings
from leaflets import Change, Withdrawal
from tests.sources.standin import Reply, Request, StandIn, gathered, pull, serving, source_of, told
from tests.sources.vendors.bling import Bling, error, too_many

QUICK = 'rates = ["10000/second"]\ntimeout = 5\n'
TABLE = f'type = "bling"\nclient_id = "sac-client"\nclient_secret = {{ env = "SECRET" }}\ntokens = "bling.tokens"\n{QUICK}'
SECRETS = {"SECRET": "nothing-secret"}
# public integrations show it so
PEN: dict[str, Any] = {
    "id": 16639418987,
    "nome": "CANETA ESFEROGRAFICA AZUL",
    "codigo": "TESTE-CANETA-001",
    "preco": 0.9,
    "tipo": "P",
    "situacao": "A",
    "formato": "S",
    "descricaoCurta": "",
    "dataValidade": "0000-00-00",
    "unidade": "Un",
    "gtin": "",
    "marca": "",
    "descricaoComplementar": "",
    "observacoes": "",
    "categoria": {"id": 13410739},
}
PAIR = {"access_token": "access-1", "refresh_token": "refresh-1", "expires_in": 21600, "token_type": "Bearer"}


@pytest.fixture
def erp() -> Bling:
    """Bling with four products: two pages, the last not full."""
    erp = Bling()
    for number in range(1, 5):
        erp.put(f"P{number}", f"vpalavra{number}x", at=datetime.now(UTC) - timedelta(days=900))
    return erp


@pytest.fixture
def running(erp: Bling) -> Iterator[StandIn]:
    """Bling, answering."""
    with erp.running() as stand_in:
        yield stand_in


def source(folder: Path, url: str, more: str = "") -> Source:
    """A source whose token file stays as it is."""
    return source_of(folder, f'{TABLE}url = "{url}"\n{more}', **SECRETS)


def held(folder: Path, text: str = "refresh-0\n") -> Path:
    """The token file, as a person puts it there."""
    file = folder / "bling.tokens"
    file.write_text(text)
    return file


def serial(replies: Sequence[Reply]) -> Any:
    """Answers of a stand-in: these after the token's, the last of them for ever."""
    left = list(replies)

    def answer(request: Request) -> Reply:
        if request.path.endswith("/oauth/token"):
            return told(PAIR)
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


@pytest.mark.parametrize("first", ["refresh-0\n", '{"access_token": "long-gone", "refresh_token": "refresh-0", "expires_in": 21600}'])
def test_a_token_is_kept_before_it_is_used(tmp_path: Path, erp: Bling, running: StandIn, first: str) -> None:
    """At the first request with it the file has its successor already, readable by nobody else."""
    file = held(tmp_path, first)
    seen: list[tuple[str, str]] = []

    def between(request: Request) -> None:
        if request.path == "/produtos" and erp.access:
            seen.append((json.loads(file.read_text())["refresh_token"], request.headers["Authorization"]))

    erp.between = between
    assert len(pull(source(tmp_path, running.url)).changes) == 4
    assert seen[0] == ("refresh-1", "Bearer access-1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"refresh_token": "refresh-1", "access_token": "access-1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bling.tokens", "bling.tokens.lock", "sources.toml"]


def test_a_token_that_another_process_renewed_is_used(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """It is read from the file, and none is spent on it."""
    held(tmp_path)
    ours, theirs = source(tmp_path, running.url), source(tmp_path, running.url)
    pull(ours)
    pull(theirs)
    assert erp.renewals == 1
    erp.expire()
    pull(theirs)
    assert erp.renewals == 2
    # Ours still has the old one, and is refused by it once.
    pull(ours)
    assert erp.renewals == 2


def test_many_that_meet_an_expired_token_renew_it_once(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """Threads of several sources at once, as of two processes: a token spent twice would be refused."""
    held(tmp_path)
    sources = [source(tmp_path, running.url) for _ in range(4)]
    pull(sources[0])
    erp.expire()
    changes: list[int] = []
    threads = [threading.Thread(target=lambda one=one: changes.append(len(pull(one).changes))) for one in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (changes, erp.renewals) == ([4] * 4, 2)


def test_no_token_is_spent_where_the_next_could_not_be_kept(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """Bling is not even asked, and the error says what the folder lacks."""
    file = held(tmp_path)
    blocked = source(tmp_path, running.url)
    # A folder in the place of the file that is to be written beside it: root, who runs tests, may write anywhere else.
    (tmp_path / "bling.tokens.new").mkdir()
    with pytest.raises(SourceRefused, match="must be allowed to write in its folder"):
        blocked.check()
    assert (erp.renewals, running.asked) == (0, [])
    assert file.read_text() == "refresh-0\n"


def test_a_spent_token_is_told_with_what_to_do(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """And without the token, which Bling's own words repeat."""
    held(tmp_path)
    erp.refresh = "refresh-9"
    with pytest.raises(SourceRefused) as refused:
        source(tmp_path, running.url).check()
    assert "authorise the application anew" in str(refused.value)
    assert "bling.tokens" in str(refused.value)
    assert "refresh-" not in str(refused.value)
    assert len(running.asked) == 1


def test_a_token_that_was_written_and_not_put_in_place_is_not_lost(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """A process was killed between the two; the file's own token is spent."""
    file = held(tmp_path, "spent")
    (tmp_path / "bling.tokens.new").write_text('{"refresh_token": "refresh-0", "access_token": ""}')
    pull(source(tmp_path, running.url))
    assert json.loads(file.read_text())["refresh_token"] == "refresh-1"
    # And what one left that was killed earlier is no token.
    (tmp_path / "bling.tokens.new").write_bytes(bytes(16_384))
    erp.expire()
    pull(source(tmp_path, running.url))
    assert json.loads(file.read_text())["refresh_token"] == "refresh-2"


@pytest.mark.parametrize("content", ["", "two words", "{}", '{"refresh_token": ""}', "{half"])
def test_a_token_file_without_a_token_is_told(tmp_path: Path, content: str) -> None:
    """Not what stands in it."""
    held(tmp_path, content)
    with pytest.raises(SourceRefused, match="holds no refresh token") as refused:
        source(tmp_path, "http://127.0.0.1:1").check()
    assert "two words" not in str(refused.value)


def test_a_token_file_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    """With the key that names it."""
    with pytest.raises(Misconfigured, match=r"tokens names the file .* put the refresh token there"):
        source(tmp_path, "http://127.0.0.1:1")


class Asking:
    """Bling's wire alone, and how long it slept between its tries."""

    def __init__(self, folder: Path, url: str) -> None:
        held(folder)
        keys = {"type": "bling", "url": url, "client_id": "c", "client_secret": {"env": "SECRET"}, "tokens": "bling.tokens"}
        self.naps: list[float] = []
        self.breaker = Breaker("erp", 5)
        table = BlingTable.model_validate(keys, context=Surroundings(SECRETS, folder))
        self.wire = table.wire(Tries(self.breaker, None, self.naps.append))

    def fails(self, kind: type[Exception]) -> Any:
        """The error with which a listing fails."""
        with pytest.raises(kind) as failed:
            next(self.wire.rows(None, in_turn), None)
        return failed.value


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (too_many("second"), 1),
        (too_many("minute"), 60),
        (too_many("day"), 3600),
        (Reply(b"Too many", 429, {"Retry-After": "4"}), 4),
        (Reply(b"<html>blocked</html>", 403, {"Content-Type": "text/html"}), 600),
    ],
    ids=["second", "minute", "day", "Retry-After", "address blocked"],
)
def test_a_limit_is_waited_for_as_long_as_its_period(tmp_path: Path, reply: Reply, wait: float) -> None:
    """An address that is blocked is left alone for ten minutes: more errors would make it longer."""
    with serving(serial([reply])) as erp:
        asking = Asking(tmp_path, erp.url)
        assert asking.fails(Busy).wait == wait
    assert asking.breaker.state().cool_down == (wait if wait > 30 else 0)
    assert len(asking.naps) == (0 if wait > 30 else 2)


def test_too_many_tokens_are_not_asked_for_again_for_an_hour(tmp_path: Path) -> None:
    """20 within a minute block the address for so long."""
    with serving(lambda _: too_many("minute")) as erp:
        asking = Asking(tmp_path, erp.url)
        assert asking.fails(Busy).wait == 3600
    assert [request.path for request in erp.asked] == ["/oauth/token"]


def test_a_scope_that_lacks_is_told(tmp_path: Path) -> None:
    """403 with a type is Bling's own; it is not repeated."""
    with serving(serial([error(403, "FORBIDDEN", "insufficient_scope")])) as erp:
        refused = Asking(tmp_path, erp.url).fails(SourceRefused)
    assert "scopes" in str(refused)
    assert len(erp.asked) == 2


def test_the_wire_is_blings(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """The window in São Paulo's time, pages until one is empty, each page's end once more, each text by itself, the deleted at the end."""
    held(tmp_path)
    for number in range(1, 5):
        erp.put(f"P{number}", "vnovax")
    before = datetime.now(UTC) - timedelta(days=2)
    pull(source(tmp_path, running.url + "/"), before.isoformat())
    token, *asked = running.asked
    assert (token.method, token.path, token.body) == ("POST", "/oauth/token", b"grant_type=refresh_token&refresh_token=refresh-0")
    assert token.headers["Content-Type"] == "application/x-www-form-urlencoded"
    listings = [request for request in asked if request.path == "/produtos"]
    start = (before - timedelta(minutes=5, hours=3)).strftime("%Y-%m-%d %H:%M:%S")
    assert {request.query["dataAlteracaoInicial"] for request in listings} == {start}
    shown = [(request.query["criterio"], request.query["tipo"], request.query["pagina"], request.query["limite"]) for request in listings]
    assert shown == [("5", "T", "1", "100"), ("5", "T", "2", "100"), ("5", "T", "3", "100"), ("5", "T", "3", "1"), ("4", "T", "1", "100")]
    texts = [request.path for request in asked if request.path != "/produtos"]
    assert sorted(texts) == [f"/produtos/1663941800{number}" for number in range(1, 5)]


def test_a_window_of_years_is_asked_for_in_parts(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """More than one is refused, as after a long holiday of the indexer."""
    held(tmp_path)
    since = (datetime.now(UTC) - timedelta(days=1000)).isoformat()
    assert len(pull(source(tmp_path, running.url), since).changes) == len(erp.products)


def test_a_short_page_is_not_the_last(tmp_path: Path) -> None:
    """Only an empty one is: Bling gives fewer where a filter took some away."""
    pages = {1: [1, 2, 3], 2: [4], 3: [5, 6]}
    numbers = [1, 2, 3, 4, 5, 6]

    def answer(request: Request) -> Reply:
        match request.path.split("/"):
            case ["", "oauth", "token"]:
                return told(PAIR)
            case ["", "produtos"] if request.query["limite"] == "1":
                return told({"data": [PEN | {"id": numbers[int(request.query["pagina"]) - 1]}]})
            case ["", "produtos"]:
                return told({"data": [PEN | {"id": number} for number in pages.get(int(request.query["pagina"]), [])]})
        return told({"data": PEN | {"id": int(request.path.rpartition("/")[2]), "descricaoCurta": "Tome com água."}})

    held(tmp_path)
    with serving(answer) as erp:
        assert pull(source(tmp_path, erp.url)).ids == ["1", "2", "3", "4", "5", "6"]


def test_a_real_product_is_read(tmp_path: Path) -> None:
    """As public integrations recorded it: no time of its own, a date of zeros, texts as HTML."""
    whole = PEN | {"descricaoComplementar": "<p>Tome com &aacute;gua.</p>", "gtin": "7891234567895", "marca": "EMS"}
    held(tmp_path)
    before = datetime.now(UTC)
    with serving(serial([told({"data": [PEN]}), told({"data": []}), told({"data": whole})])) as erp:
        change = pull(source(tmp_path, erp.url)).change
    assert (change.source_id, change.facts.name) == ("16639418987", "CANETA ESFEROGRAFICA AZUL")
    assert (change.facts.eans, change.facts.laboratory) == (("7891234567895",), "EMS")
    assert change.contents[0].media_type == "text/html"
    # The time at which the pull began stands for the edit's.
    assert before <= change.updated_at <= datetime.now(UTC)


def test_a_product_deleted_after_it_was_listed_is_left_out(tmp_path: Path) -> None:
    """Its own address says 404; the others arrive."""

    def answer(request: Request) -> Reply:
        match request.path.split("/"):
            case ["", "oauth", "token"]:
                return told(PAIR)
            case ["", "produtos"]:
                return told({"data": [PEN | {"id": 1}, PEN | {"id": 2}] if request.query["pagina"] == "1" else []})
            case [*_, "1"]:
                return error(404, "RESOURCE_NOT_FOUND", "O recurso não foi encontrado")
        return told({"data": PEN | {"id": 2, "descricaoCurta": "Tome com água."}})

    held(tmp_path)
    with serving(answer) as erp:
        assert pull(source(tmp_path, erp.url)).ids == ["2"]


def test_who_is_there_is_asked_of_the_pages_alone(tmp_path: Path, erp: Bling, running: StandIn) -> None:
    """The second look at what is gone would take hours with every text."""
    held(tmp_path)
    erp.put("P2", "vpalavrax", inactive=True)
    named = gathered(source(tmp_path, running.url).pages(None, in_turn, whole=True, names=True))
    assert [type(change) for change in named.changes] == [Change, Withdrawal, Change, Change]
    assert named.complete
    assert not any(request.path.startswith("/produtos/") for request in running.asked)
    told_by_texts = source(tmp_path, running.url, 'fields = { audience = "observacoes" }')
    assert len(gathered(told_by_texts.pages(None, in_turn, whole=True, names=True)).changes) == 4
    assert sum(request.path.startswith("/produtos/") for request in running.asked) == 4


@pytest.mark.parametrize(("situation", "kind"), [("A", Change), ("I", Withdrawal), ("E", Withdrawal)])
def test_inactive_and_deleted_products_are_withdrawn(tmp_path: Path, situation: str, kind: type[object]) -> None:
    """A deleted one without a look at its text."""
    row = PEN | {"situacao": situation, "descricaoCurta": "Tome com água."}
    held(tmp_path)
    with serving(serial([told({"data": [row]}), told({"data": []}), told({"data": row})])) as erp:
        (only,) = pull(source(tmp_path, erp.url)).changes
    assert isinstance(only, kind)
    assert any(request.path == "/produtos/16639418987" for request in erp.asked) == (situation != "E")


def test_a_list_of_the_deleted_that_names_others_withdraws_none(tmp_path: Path) -> None:
    """Nothing public says what criterio 4 gives; only situacao E counts."""
    row = PEN | {"descricaoCurta": "Tome com água."}
    held(tmp_path)

    def answer(request: Request) -> Reply:
        if request.path == "/oauth/token":
            return told(PAIR)
        if request.path == "/produtos":
            return told({"data": [row] if request.query["pagina"] == "1" else []})
        return told({"data": row})

    with serving(answer) as erp:
        pulled = pull(source(tmp_path, erp.url), datetime.now(UTC).isoformat())
    assert [type(change) for change in pulled.changes] == [Change]


def test_blings_limits_are_kept_where_nothing_else_is_said(tmp_path: Path) -> None:
    """Three a second and 120,000 a day for the account."""
    held(tmp_path)
    keys = {"type": "bling", "client_id": "c", "client_secret": {"env": "SECRET"}, "tokens": "bling.tokens"}
    table = BlingTable.model_validate(keys, context=Surroundings(SECRETS, tmp_path))
    assert table.url == "https://api.bling.com.br/Api/v3"
    assert [str(limit) for limit in table.rates] == ["3 per 1 second", "120000 per 1 day"]
    assert table.max_in_flight == 3
    assert "nothing-secret" not in repr(table)
