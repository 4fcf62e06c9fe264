"""Sankhya's own traps: failures with status 200, one record without a list, numbered columns, a change log that is off."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import Source, SourceChanged, SourceDown, SourceRefused, in_turn
from indexer.sources.config import Misconfigured
from leaflets import Unreadable, Withdrawal
from tests.sources.standin import Reply, Request, gathered, pull, serving, source_of, told
from tests.sources.vendors.sankhya import Sankhya, SankhyaServer, answered, failed, records

SECRETS = {"SECRET": "nothing-secret", "TOKEN": "nothing-token", "APPKEY": "nothing-appkey"}
QUICK = 'rates = ["10000/second"]\ntimeout = 5\n'
SERVER = f'type = "sankhya"\nlogin = "session"\nusername = "SAC"\npassword = {{ env = "SECRET" }}\n{QUICK}'
LOGIN = answered({"jsessionid": {"$": "session-1"}})
# public integrations show it so
CINNAMON: dict[str, Any] = {
    "serviceName": "CRUDServiceProvider.loadRecords",
    "status": "1",
    "pendingPrinting": "false",
    "transactionId": "7EC5",
    "responseBody": {
        "entities": {
            "total": "1",
            "hasMoreResult": "false",
            "offsetPage": "0",
            "offset": "0",
            "entity": {"f1": {"$": "CANELA EM PO"}, "f0": {"$": "7"}},
            "metadata": {"fields": {"field": [{"name": "CODPROD"}, {"name": "DESCRPROD"}]}},
        }
    },
}


def source(folder: Path, url: str, more: str = "") -> Source:
    """A source at a server of the house."""
    return source_of(folder, f'{SERVER}url = "{url}"\n{more}', **SECRETS)


def serial(*replies: Reply) -> Callable[[Request], Reply]:
    """Answers to what comes after the login, the last of them for ever."""
    left = list(replies)

    def answer(request: Request) -> Reply:
        if request.query.get("serviceName") == "MobileLoginSP.login":
            return LOGIN
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def question(request: Request) -> dict[str, Any]:
    """What was asked of loadRecords."""
    return dict(json.loads(request.body)["requestBody"]["dataSet"])


def row(number: int, **more: str) -> dict[str, str]:
    """A product."""
    about = {"CODPROD": str(number), "DESCRPROD": f"REMEDIO {number}", "MARCA": "", "REFERENCIA": "", "ATIVO": "S"}
    return about | {"DHALTER": "20/11/2026 10:30:00", "CARACTERISTICAS": f"Tome com água {number}."} | more


def loading(numbers: Callable[[Mapping[str, Any]], list[int]]) -> Callable[[Request], Reply]:
    """A server that gives the products with these keys, whatever it was asked for."""

    def answer(request: Request) -> Reply:
        if request.query.get("serviceName") == "MobileLoginSP.login":
            return LOGIN
        asked = question(request)
        return records(asked["entity"][0]["fieldset"]["list"].split(","), [row(number) for number in numbers(asked)], more=True)

    return answer


def test_a_real_answer_is_read(tmp_path: Path) -> None:
    """As public integrations recorded it: one record without a list, its columns numbered and in no order."""
    more = 'fields = { text = "DESCRPROD", updated_at = "DHALTER || \'00/00/0000\'" }'
    with serving(serial(told(CINNAMON), answered({"entities": {"total": "0", "hasMoreResult": "false"}}))) as erp:
        change = pull(source(tmp_path, erp.url, more)).change
    assert (change.source_id, change.facts.name) == ("7", "CANELA EM PO")
    assert change.updated_at == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("entities", [{}, {"entities": {}}, {"entities": {"total": "0", "entity": []}}, {"entities": {"total": "0"}}])
def test_nothing_has_many_shapes(tmp_path: Path, entities: dict[str, Any]) -> None:
    """None of them is an error."""
    with serving(serial(answered(entities))) as erp:
        assert pull(source(tmp_path, erp.url)).changes == ()


def test_the_wire_is_sankhyas(tmp_path: Path) -> None:
    """A session by cookie, criteria with typed values in the server's time, only the columns that the mapping reads, keys that ascend."""
    erp = SankhyaServer()
    for number in range(4):
        erp.put(f"P{number}", f"v{number}x", at=datetime(2026, 11, 20, 13, 30, tzinfo=UTC))
    with erp.running() as stand_in:
        pull(source(tmp_path, stand_in.url + "/mge"), "2026-11-20T13:30:05.250000Z")
    login, found, *pages = stand_in.asked
    assert {request.path for request in stand_in.asked} == {"/mge/service.sbr"}
    assert login.query == {"serviceName": "MobileLoginSP.login", "outputType": "json"}
    assert json.loads(login.body)["requestBody"]["NOMUSU"] == {"$": "SAC"}
    assert found.headers["Cookie"] == "JSESSIONID=session-1"
    assert question(found)["entity"] == [{"path": "", "fieldset": {"list": "CODPROD,DHALTER"}}]
    first, second, *_ = map(question, pages)
    assert first == {
        "rootEntity": "Produto",
        "includePresentationFields": "N",
        "tryJoinedFields": "true",
        "offsetPage": "0",
        "orderByExpression": "this.CODPROD",
        "entity": [{"path": "", "fieldset": {"list": "ATIVO,CARACTERISTICAS,CODPROD,DESCRPROD,DHALTER,MARCA,REFERENCIA"}}],
        "criteria": {"expression": {"$": "this.DHALTER > ?"}, "parameter": [{"$": "20/11/2026 10:25:04", "type": "H"}]},
    }
    assert second["criteria"] == {
        "expression": {"$": "this.DHALTER > ? AND this.CODPROD > ?"},
        "parameter": [{"$": "20/11/2026 10:25:04", "type": "H"}, {"$": "3", "type": "I"}],
    }


def test_the_gateway_lets_in_by_either_way(tmp_path: Path) -> None:
    """By OAuth 2 with the X-Token, or by four headers; the service lies below gateway/v1."""

    def answer(request: Request) -> Reply:
        match request.path:
            case "/authenticate":
                return told({"access_token": "bearer-1", "expires_in": 300})
            case "/login":
                return told({"bearerToken": "bearer-2", "error": None})
        return answered({})

    oauth = 'client_id = "app"\nclient_secret = { env = "SECRET" }\ntoken = { env = "TOKEN" }\n'
    appkey = 'login = "appkey"\ntoken = { env = "TOKEN" }\nappkey = { env = "APPKEY" }\nusername = "SAC"\npassword = { env = "SECRET" }\n'
    with serving(answer) as erp:
        for keys in (oauth, appkey):
            pull(source_of(tmp_path, f'type = "sankhya"\nurl = "{erp.url}"\n{QUICK}{keys}', **SECRETS))
    new, _, asked, old, _, also = erp.asked
    assert new.body == b"grant_type=client_credentials&client_id=app&client_secret=nothing-secret"
    assert new.headers["X-Token"] == "nothing-token"
    assert {name: old.headers[name] for name in ("token", "appkey", "username", "password")} == {
        "token": "nothing-token",
        "appkey": "nothing-appkey",
        "username": "SAC",
        "password": "nothing-secret",
    }
    assert (asked.headers["Authorization"], also.headers["Authorization"]) == ("Bearer bearer-1", "Bearer bearer-2")
    assert (asked.path, asked.query["serviceName"]) == ("/gateway/v1/mge/service.sbr", "CRUDServiceProvider.loadRecords")


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        (failed("Descriptor do campo 'AD_BULLA' inválido"), SourceRefused, "check `entity`, `key` and the names in `fields`"),
        (failed("Não autorizado.", "3"), SourceRefused, "Não autorizado"),
        (told({"error": {"codigo": "GTW2505", "descricao": "Bearer Token inválido ou Expirado."}}, 403), SourceRefused, "Expirado"),
        (failed("ORA-00060: deadlock detected while waiting for resource"), SourceDown, "deadlock"),
        (Reply(b"<html>503</html>", 503, {"Content-Type": "text/html"}), SourceDown, "answered 503"),
        (told({"produtos": []}), SourceChanged, "is it Sankhya"),
    ],
    ids=["field", "session", "gateway", "deadlock", "503", "no status"],
)
def test_what_fails_with_status_200_is_told(tmp_path: Path, reply: Reply, kind: type[Exception], says: str) -> None:
    """A field that is not there is the mapping's; a session is opened again once; a deadlock passes."""
    with serving(serial(reply)) as erp, pytest.raises(kind, match=says) as failing:
        pull(source(tmp_path, erp.url, 'fields = { updated_at = "DHALTER" }'))
    assert "nothing-secret" not in str(failing.value)
    logins = [request for request in erp.asked if request.query["serviceName"] == "MobileLoginSP.login"]
    assert len(logins) == (2 if "utorizado" in says or "Expirado" in says else 1)


@pytest.mark.parametrize("erp", [Sankhya(), SankhyaServer()], ids=["gateway", "server"])
def test_a_login_that_fails_is_told_without_what_it_was_shown(tmp_path: Path, erp: Sankhya) -> None:
    """Though the answer repeats it."""
    with erp.running() as stand_in:
        right, type(erp).secrets = type(erp).secrets, {"SECRET": "wrong-secret"}
        try:
            wrong = erp.source(tmp_path, stand_in, QUICK)
        finally:
            type(erp).secrets = right
        with pytest.raises(SourceRefused, match="check `") as refused:
            wrong.check()
    assert "wrong-secret" not in str(refused.value)
    assert len(stand_in.asked) == 1


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("", 'needs client_id and client_secret and token for login = "oauth2"'),
        ('login = "session"\nusername = "SAC"', 'needs password for login = "session"'),
        ('login = "appkey"\nusername = "SAC"\npassword = { env = "SECRET" }', "needs token and appkey"),
    ],
)
def test_each_login_says_what_it_needs(tmp_path: Path, keys: str, says: str) -> None:
    """When the file is read."""
    with pytest.raises(Misconfigured, match=says):
        source_of(tmp_path, f'type = "sankhya"\n{keys}', **SECRETS)


def test_an_empty_change_log_is_refused_with_what_to_switch_on(tmp_path: Path) -> None:
    """It would answer for ever that nothing was deleted."""
    erp = Sankhya()
    erp.put("P1", "vprimeirax")
    with erp.running() as stand_in:
        source = erp.source(tmp_path, stand_in, QUICK)
        assert "1 products" in source.check()
        erp.log_is_on = False
        with pytest.raises(SourceRefused, match=r"LOGTABOPER.*Instance Logs Monitor.*restart"):
            source.check()


@pytest.mark.parametrize(
    "entry",
    [
        {"chave": "7", "operacao": "D"},
        {"CODPROD": {"$": "7"}},
        {"pk": {"CODPROD": 7}},
        {"registro": "TGFPRO [CODPROD=7] excluído"},
        ["CODPROD: 7"],
    ],
    ids=str,
)
def test_whatever_the_log_names_is_gone_only_if_it_cannot_be_loaded(tmp_path: Path, entry: object) -> None:
    """The shape of the log is not published: keys are taken from wherever they stand, and looked for."""
    there = {7: True}

    def answer(request: Request) -> Reply:
        match request.query.get("serviceName"):
            case "MobileLoginSP.login":
                return LOGIN
            case "GatewayServiceProviderSP.logAlteracoesTabelas":
                return answered({"logs": [entry] if json.loads(request.body)["requestBody"]["page"] == 0 else []})
        asked = question(request)
        names = asked["entity"][0]["fieldset"]["list"].split(",")
        alone = asked.get("criteria", {}).get("expression", {}).get("$") == "this.CODPROD IN (?)"
        return records(names, [row(7)] if alone and there[7] else [])

    since = datetime.now(UTC).isoformat()
    with serving(answer) as erp:
        source_with_log = source(tmp_path, erp.url, "change_log = true")
        assert pull(source_with_log, since).changes == ()
        there[7] = False
        (gone,) = pull(source_with_log, since).changes
    assert isinstance(gone, Withdrawal)
    assert gone.source_id == "7"


def test_a_server_without_order_is_read_by_page_and_its_keys_once_more(tmp_path: Path) -> None:
    """What moved up while pages were read is found by its key, and read."""
    present = [5, 3, 1, 4, 2]
    pages = 0

    def numbers(asked: Mapping[str, Any]) -> list[int]:
        nonlocal pages
        among = {int(one["$"]) for one in asked.get("criteria", {}).get("parameter", []) if one["type"] == "I"}
        shown = [number for number in present if not among or number in among]
        start = int(asked["offsetPage"]) * 2
        pages += 1
        if pages == 2:
            # The first whole page has been read by its number: its first product goes, and 1 moves up onto it.
            present.remove(5)
        return shown[start : start + 2]

    with serving(loading(numbers)) as erp:
        pulled = pull(source(tmp_path, erp.url, 'fields = { updated_at = "DHALTER" }'))
        asked = [question(request) for request in erp.asked[1:]]
    assert pulled.ids == ["5", "3", "4", "2", "1"]
    assert asked[-2]["criteria"]["expression"] == {"$": "this.CODPROD IN (?)"}


def test_a_server_that_cannot_be_asked_for_what_comes_after_a_key_is_read_by_page(tmp_path: Path) -> None:
    """It refuses that part of the question, and no more."""
    columns = ["CODPROD", "DHALTER", "CARACTERISTICAS"]

    def answer(request: Request) -> Reply:
        if request.query.get("serviceName") == "MobileLoginSP.login":
            return LOGIN
        asked = question(request)
        if "criteria" in asked:
            return failed("critério inválido")
        page = int(asked["offsetPage"])
        return records(columns, [row(page + 1)] if page < 3 else [], more=page < 2)

    with serving(answer) as erp:
        assert set(pull(source(tmp_path, erp.url, 'fields = { updated_at = "DHALTER" }')).ids) == {"1", "2", "3"}


def test_a_server_that_gives_one_page_for_ever_is_told(tmp_path: Path) -> None:
    """It knows neither criteria nor pages, and would hide all but its first."""
    with serving(loading(lambda _: [1, 2])) as erp, pytest.raises(SourceChanged, match="go round in a loop"):
        pull(source(tmp_path, erp.url))


def test_a_column_that_nobody_named_is_told(tmp_path: Path) -> None:
    """Names and values that do not fit are no product."""
    entities = {"entity": [{"f0": {"$": "1"}, "f9": {"$": "x"}}], "metadata": {"fields": {"field": {"name": "CODPROD"}}}}
    with serving(serial(answered({"entities": entities}))) as erp, pytest.raises(SourceChanged, match="column f9"):
        pull(source(tmp_path, erp.url))


@pytest.mark.parametrize(("told_time", "at"), [("22/01/2024 10:01:02", "13:01:02"), ("22/01/2024", "03:00:00")])
def test_times_are_the_servers(tmp_path: Path, told_time: str, at: str) -> None:
    """São Paulo's where nothing else is said; a date alone is its midnight."""
    columns = ["CODPROD", "DHALTER", "CARACTERISTICAS"]
    with serving(serial(records(columns, [row(1, DHALTER=told_time)]), records(columns, []))) as erp:
        change = pull(source(tmp_path, erp.url, 'fields = { updated_at = "DHALTER" }')).change
    assert change.updated_at == datetime.fromisoformat(f"2024-01-22T{at}Z")


def test_a_product_without_a_leaflet_is_told_by_its_key(tmp_path: Path) -> None:
    """An empty value comes as {}, and is none."""
    columns = ["CODPROD", "DHALTER", "CARACTERISTICAS"]
    with serving(serial(records(columns, [row(1, CARACTERISTICAS="")]), records(columns, []))) as erp:
        (only,) = pull(source(tmp_path, erp.url, 'fields = { updated_at = "DHALTER" }')).changes
    assert isinstance(only, Unreadable)
    assert (only.source_id, "no leaflet" in only.reason) == ("1", True)


def test_who_is_there_is_asked_for_without_texts(tmp_path: Path) -> None:
    """The second look at what is gone needs no more than keys, times and marks."""
    erp = SankhyaServer()
    erp.put("P1", "vprimeirax")
    with erp.running() as stand_in:
        named = gathered(source(tmp_path, stand_in.url).pages(None, in_turn, whole=True, names=True))
    assert (len(named.changes), named.complete) == (1, True)
    assert question(stand_in.asked[-1])["entity"][0]["fieldset"]["list"] == "ATIVO,CODPROD,DHALTER"


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    """Of the source and all that it holds."""
    made = source_of(tmp_path, SERVER + 'url = "http://127.0.0.1:1"', **SECRETS)
    assert "nothing-secret" not in repr(vars(made))
    assert made.scan_every == timedelta(days=1)
