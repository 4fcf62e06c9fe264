"""Omie's own traps: errors under any status, waits in words, calls that must not be repeated, entities, signed links."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from indexer.breaker import Breaker
from indexer.sources.base import Busy, SourceDown, SourceRefused, in_turn
from indexer.sources.http import Unreached
from indexer.sources.omie import OmieTable
from indexer.sources.retries import Tries
from indexer.sources.tables import Surroundings
from leaflets import Change, Unreadable, Withdrawal
from opensearch.process import free_port
from tests.sources.standin import Reply, Request, StandIn, pull, serving, source_of, told
from tests.sources.vendors.omie import Omie, fault, nothing, row

TABLE = 'type = "omie"\napp_key = { env = "KEY" }\napp_secret = { env = "SECRET" }\nrates = ["10000/second"]\ntimeout = 5\n'
SECRETS = dict(Omie.secrets)
# public integrations show it so
MOUSE: dict[str, Any] = {
    "bloqueado": "N",
    "codigo": "1000",
    "codigo_produto": 1229930876,
    "codigo_produto_integracao": "",
    "descr_detalhada": "",
    "descricao": "Mouse sem fio Microsoft",
    "ean": "",
    "inativo": "N",
    "info": {"dAlt": "22/01/2024", "dInc": "22/01/2024", "hAlt": "10:01:02", "hInc": "10:01:02"},
    "obs_internas": "",
    "tipoItem": "00",
    "unidade": "UN",
    "valor_unitario": 150,
}


def listed(*rows: dict[str, Any], page: int = 1, pages: int = 1, total: int | None = None) -> Reply:
    """One page as ListarProdutos gives it."""
    count = {"registros": len(rows), "total_de_registros": len(rows) if total is None else total}
    return told({"pagina": page, "total_de_paginas": pages, **count, "produto_servico_cadastro": list(rows)})


def named(number: int) -> dict[str, Any]:
    """A product with a leaflet."""
    return MOUSE | {"codigo_produto": number, "descr_detalhada": f"Tome com água {number}."}


def param(request: Request) -> dict[str, Any]:
    """What was asked of a method."""
    (only,) = json.loads(request.body)["param"]
    return dict(only)


class Asking:
    """Omie's wire alone, and how long it slept between its tries."""

    def __init__(self, folder: Path, url: str) -> None:
        keys = {"type": "omie", "url": url, "app_key": {"env": "KEY"}, "app_secret": {"env": "SECRET"}, "timeout": 5}
        table = OmieTable.model_validate(keys, context=Surroundings(SECRETS, folder))
        self.naps: list[float] = []
        self.breaker = Breaker("erp", 5)
        self.wire = table.wire(Tries(self.breaker, None, self.naps.append))

    def fails(self, kind: type[Exception]) -> Any:
        """The error with which a first page fails."""
        with pytest.raises(kind) as failed:
            next(self.wire.rows(None, in_turn), None)
        assert not any(secret in str(failed.value) for secret in SECRETS.values())
        return failed.value


@pytest.mark.parametrize(
    ("reply", "wait"),
    [
        (fault("SOAP-ENV:Client-6", "ERROR: Consumo redundante detectado. Aguarde 16 segundos para tentar novamente (REDUNDANT)."), 16),
        (fault("SOAP-ENV:Client-6", "ERROR: Consumo redundante detectado. Aguarde 16 segundos para tentar novamente.", 200), 16),
        (fault("SOAP-ENV:Client-6", "ERROR: Consumo redundante detectado."), 60),
        (fault("MISUSE_API_PROCESS", "ERROR: API bloqueada por consumo indevido. Tente novamente em 1678 segundos.", 425), 1678),
        (fault("SOAP-ENV:Server", "ERROR: API bloqueada por consumo indevido.", 500), 1800),
        (Reply(b"", 425, {}), 1800),
        (
            fault("SOAP-ENV:Client-1880", "ERROR: Já existe uma requisição desse método sendo executada e você pode tentar novamente. (1)"),
            10,
        ),
        (fault("SOAP-ENV:Client-1100", "ERROR: Esta requisição já foi processada."), 60),
        (Reply(b"Too many Requests", 429, {}), 60),
        (Reply(b"Too many Requests", 429, {"Retry-After": "7"}), 7),
    ],
)
def test_a_wait_is_kept_as_omie_words_it(tmp_path: Path, reply: Reply, wait: float) -> None:
    """Up to 30 s by the thread, which then asks again; what is longer is the breaker's, and nothing is repeated: that starts it anew."""
    with serving(lambda _: reply) as erp:
        asking = Asking(tmp_path, erp.url)
        busy = asking.fails(Busy)
    assert busy.wait == wait
    if wait > 30:
        assert (len(erp.asked), asking.naps) == (1, [])
        assert asking.breaker.state().cool_down == wait
    else:
        assert len(erp.asked) == 3
        assert all(wait <= nap <= 1.1 * wait for nap in asking.naps)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=(), reset=True),
        Reply(raw=(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"da',)),
        Reply(b"<html>Bad gateway</html>", 502, {"Content-Type": "text/html"}),
        Reply(b'{"pagina": 1, "produto'),
        fault("SOAP-ENV:Server", "ERROR: Broken response from Application Server (BG)"),
    ],
    ids=["reset", "cut off", "502", "half a JSON", "Omie's own server"],
)
def test_a_call_that_may_have_arrived_is_not_repeated_within_a_minute(tmp_path: Path, reply: Reply) -> None:
    """Omie would refuse it as redundant, and ten errors block the application for half an hour."""
    with serving(lambda _: reply) as erp:
        asking = Asking(tmp_path, erp.url)
        busy = asking.fails(Busy)
    assert busy.wait == 60
    assert "asked again after a minute" in str(busy)
    assert (len(erp.asked), asking.naps) == (1, [])


def test_a_call_that_cannot_have_arrived_is_tried_again_at_once(tmp_path: Path) -> None:
    """Nobody answered at that port: Omie knows of none."""
    asking = Asking(tmp_path, f"http://127.0.0.1:{free_port()}")
    asking.fails(Unreached)
    assert len(asking.naps) == 2
    assert max(asking.naps) < 2


@pytest.mark.parametrize("status", [200, 403, 500])
def test_a_fault_that_is_the_questions_is_not_repeated_whatever_its_status(tmp_path: Path, status: int) -> None:
    """500 is what Omie answers with all of them."""
    words = "ERROR: Tag [FILTRO] não faz parte da estrutura do tipo complexo [produto_servico_list_request]!"
    with serving(lambda _: fault("SOAP-ENV:Client-71", words, status)) as erp:
        refused = Asking(tmp_path, erp.url).fails(SourceRefused)
    assert len(erp.asked) == 1
    assert "SOAP-ENV:Client-71" in str(refused)
    assert "Tag [FILTRO]" in str(refused)


def test_a_key_that_omie_does_not_know_is_told_without_it(tmp_path: Path) -> None:
    """Its own words repeat the key, and the error says which to check."""
    with serving(lambda _: fault("SOAP-ENV:Server", f"ERROR: A chave de acesso {SECRETS['SECRET']} / {SECRETS['KEY']} é inválida.")) as erp:
        refused = Asking(tmp_path, erp.url).fails(SourceRefused)
    assert len(erp.asked) == 1
    assert "check `app_key` and `app_secret`" in str(refused)
    assert "***" in str(refused)


def test_the_wire_is_omies(tmp_path: Path) -> None:
    """A POST with the slash at its end; the window in São Paulo's time, and with the flag without which it may be ignored."""
    with serving(lambda _: nothing(1)) as erp:
        pulled = pull(source_of(tmp_path, TABLE + f'url = "{erp.url}/api/v1/"', **SECRETS), "2026-11-20T13:30:05.250000Z")
    assert pulled.changes == ()
    assert pulled.cursor == "2026-11-20T13:30:05.250000Z"
    (asked,) = erp.asked
    assert (asked.method, asked.path, asked.headers["Content-Type"]) == ("POST", "/api/v1/geral/produtos/", "application/json")
    body = json.loads(asked.body)
    size = body["param"][0].pop("registros_por_pagina")
    assert 80 < size <= 100
    assert body == {
        "call": "ListarProdutos",
        "app_key": "1234567890",
        "app_secret": "nothing-secret",
        "param": [
            {
                "pagina": 1,
                "apenas_importado_api": "N",
                "filtrar_apenas_omiepdv": "N",
                "exibir_obs": "S",
                "filtrar_por_data_de": "20/11/2026",
                "filtrar_por_hora_de": "10:25:05",
                "filtrar_apenas_alteracao": "S",
            }
        ],
    }


def test_two_listings_in_a_row_are_not_the_same_calls(tmp_path: Path) -> None:
    """Omie refuses those for a minute; the one that confirms what is gone follows at once."""
    with serving(lambda _: nothing(1)) as erp:
        source = source_of(tmp_path, TABLE + f'url = "{erp.url}/api/v1/"', **SECRETS)
        for _ in range(15):
            pull(source)
    assert len({one.body for one in erp.asked}) == len(erp.asked)


@pytest.mark.parametrize("count", [1, 3, 4, 8])
def test_no_page_past_the_last_is_asked_for(tmp_path: Path, count: int) -> None:
    """Omie answers those with an error, and counts them."""
    erp = Omie()
    for number in range(count):
        erp.put(f"P{number}", f"v{number}x")
    with erp.running() as stand_in:
        assert len(pull(erp.source(tmp_path, stand_in)).changes) == count
    assert erp.errors == 0


def test_a_look_is_another_question_than_the_pull_after_it(tmp_path: Path) -> None:
    """`indexer check` and then `indexer sync`, within the minute in which Omie refuses the same question."""
    erp = Omie()
    erp.put("P1", "vprimeirax")
    with erp.running() as stand_in:
        source = erp.source(tmp_path, stand_in)
        assert "1 products" in source.check()
        assert len(pull(source).changes) == 1


def test_a_real_product_is_read(tmp_path: Path) -> None:
    """As public integrations recorded it, with entities, blanks behind its code, and São Paulo's time."""
    recorded = MOUSE | {
        "codigo_produto_integracao": "MED-1            ",
        "descricao": "TUBO 1/2&quot; A&ccedil;o &amp; Cia",
        "descr_detalhada": "Dose &lt; 5 mg. N&atilde;o use sem orienta&ccedil;&atilde;o.",
        "ean": "7891234567895",
    }
    with serving(lambda _: listed(recorded)) as erp:
        table = TABLE + f'url = "{erp.url}"\nfields = {{ id = "codigo_produto_integracao" }}'
        change = pull(source_of(tmp_path, table, **SECRETS)).change
    assert change.source_id == "MED-1"
    assert (change.facts.name, change.facts.eans) == ('TUBO 1/2" Aço & Cia', ("7891234567895",))
    assert change.contents[0].body.decode() == "Dose < 5 mg. Não use sem orientação."
    assert change.updated_at == datetime(2024, 1, 22, 13, 1, 2, tzinfo=UTC)


def test_entities_in_html_stay_html(tmp_path: Path) -> None:
    """Taken out here they would open tags that nobody wrote."""
    told_html = "<p>Dose &lt;5 mg&gt; por dia</p>"
    with serving(lambda _: listed(MOUSE | {"descr_detalhada": told_html})) as erp:
        (content,) = pull(source_of(tmp_path, TABLE + f'url = "{erp.url}"', **SECRETS)).change.contents
    assert (content.body.decode(), content.media_type) == (told_html, "text/html")


@pytest.mark.parametrize(("mark", "withdrawn"), [({"inativo": "S"}, True), ({"bloqueado": "S"}, True), ({}, False)])
def test_inactive_and_blocked_products_are_withdrawn(tmp_path: Path, mark: dict[str, str], *, withdrawn: bool) -> None:
    """Where the customer says nothing else."""
    with serving(lambda _: listed(named(1) | mark)) as erp:
        (only,) = pull(source_of(tmp_path, TABLE + f'url = "{erp.url}"', **SECRETS)).changes
    assert isinstance(only, Withdrawal if withdrawn else Change)


def test_a_product_that_was_never_edited_has_the_time_at_which_it_was_added(tmp_path: Path) -> None:
    """And one alone may come without a list around it."""
    info = {"dInc": "02/01/2020", "hInc": "03:04:05", "dAlt": "", "hAlt": ""}
    with serving(lambda _: told({"total_de_paginas": 1, "produto_servico_cadastro": named(1) | {"info": info}})) as erp:
        change = pull(source_of(tmp_path, TABLE + f'url = "{erp.url}"', **SECRETS)).change
    assert change.updated_at == datetime(2020, 1, 2, 6, 4, 5, tzinfo=UTC)


def paged(answers: Callable[[dict[str, Any]], Reply]) -> Callable[[Request], Reply]:
    """Answers by what is asked of ListarProdutos."""
    return lambda request: answers(param(request))


def test_a_last_page_that_is_gone_is_noticed(tmp_path: Path) -> None:
    """What stood on it moved up into a page that was read already, where nobody saw it."""

    def answers(asked: dict[str, Any]) -> Reply:
        return listed(named(1), named(2), pages=2, total=3) if asked["pagina"] == 1 else nothing(2)

    with serving(paged(answers)) as erp:
        source = source_of(tmp_path, TABLE + f'url = "{erp.url}"', **SECRETS)
        with pytest.raises(SourceDown, match="deleted while its pages were read"):
            pull(source, "2026-11-20T00:00:00Z")


def test_one_deleted_and_one_added_are_noticed_in_a_whole_listing(tmp_path: Path) -> None:
    """The total stays, but another product stands where the first page ended."""
    numbers = [1, 2, 3, 4]

    def answers(asked: dict[str, Any]) -> Reply:
        size = min(asked["registros_por_pagina"], 2)
        start = (asked["pagina"] - 1) * size
        page = [named(number) for number in numbers[start : start + size]]
        if numbers[0] == 1:
            numbers[:] = [2, 3, 4, 5]
        return listed(*page, page=asked["pagina"], pages=2, total=4)

    with serving(paged(answers)) as erp:
        source = source_of(tmp_path, TABLE + f'url = "{erp.url}"', **SECRETS)
        with pytest.raises(SourceDown, match="deleted while its pages were read"):
            pull(source)


@pytest.fixture
def hung() -> Iterator[StandIn]:
    """Omie with one product, on which a file hangs."""
    erp = Omie()
    erp.put("P1", "vtextox", at=datetime.now(UTC) - timedelta(days=1))
    erp.hang("P1", "bula.pdf", b"%PDF-1.4 anexo")
    with erp.running() as stand_in:
        yield stand_in


def test_an_attachment_is_unpacked_from_where_its_link_leads(hung: StandIn, tmp_path: Path) -> None:
    """To another host, which is not told our key; a ZIP, whose name is only the link's."""
    source = source_of(tmp_path, TABLE + f'url = "{hung.url}"\nattachments = true', **SECRETS)
    (content,) = pull(source).change.contents
    assert (content.body, content.media_type) == (b"%PDF-1.4 anexo", "application/pdf")
    calls = [json.loads(request.body) for request in hung.asked]
    assert [call["call"] for call in calls] == ["ListarProdutos", "ListarAnexo", "ObterAnexo"]
    assert calls[1]["param"] == [{"nPagina": 1, "nRegPorPagina": 50, "cTabela": "produto", "nId": 1229930001}]
    assert calls[2]["param"] == [{"cTabela": "produto", "nId": 1229930001, "nIdAnexo": 2}]


@pytest.mark.parametrize(
    "link", ["https://127.0.0.1:1/chave-secreta/x.zip?Signature=segredo", "ftp://arquivos/chave-secreta", "chave-secreta"]
)
def test_a_signed_link_is_a_secret(tmp_path: Path, link: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is wrong with it, no more than its host is told."""
    holding = Omie()
    holding.put("P1", "vtextox")
    product = row(holding.products["P1"])

    def answer(request: Request) -> Reply:
        match json.loads(request.body)["call"]:
            case "ListarProdutos":
                return listed(product)
            case "ListarAnexo":
                return told({"nTotPaginas": 1, "listaAnexos": [{"nIdAnexo": 7, "cNomeArquivo": "bula.pdf"}]})
        return told({"cLinkDownload": link})

    with serving(answer) as erp, caplog.at_level("INFO"):
        source = source_of(tmp_path, TABLE + f'url = "{erp.url}"\nattachments = true', **SECRETS)
        try:
            said = [change.reason for change in pull(source).changes if isinstance(change, Unreadable)]
        except SourceDown as down:
            said = [str(down)]
    assert said
    assert "ObterAnexo gave" in said[0]
    assert not any(secret in said[0] + caplog.text for secret in ("chave-secreta", "segredo", "Signature"))


def test_omies_limits_are_kept_where_nothing_else_is_said(tmp_path: Path) -> None:
    """240 a minute for an application, whatever its sources, and four at once."""
    keys = {"type": "omie", "app_key": {"env": "KEY"}, "app_secret": {"env": "SECRET"}}
    table = OmieTable.model_validate(keys, context=Surroundings(SECRETS, tmp_path))
    assert table.url == "https://app.omie.com.br/api/v1"
    assert [str(limit) for limit in table.rates] == ["240 per 1 minute"]
    assert table.max_in_flight == 4
    assert table.account == OmieTable.model_validate(keys | {"timeout": 9}, context=Surroundings(SECRETS, tmp_path)).account
    assert not any(secret in repr(table) for secret in SECRETS.values())
