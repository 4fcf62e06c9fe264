"""What is Protheus's alone: its bytes, its blanks, its two shapes of error, and the times that it keeps from services."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import SourceChanged, SourceDown, SourceRefused
from indexer.sources.config import Misconfigured
from indexer.sources.erp import ErpSource
from leaflets import Change, Withdrawal
from tests.sources.standin import Answer, Pulled, Reply, Request, pull, serving, source_of, told
from tests.sources.vendors.protheus import Protheus, ProtheusService, cp1252, fault

TEN_LINES = """
type = "protheus"
url = "{url}/rest"
username = "sac"
password = {{ env = "MATRIZ_PASSWORD" }}
every = "1h"
max_in_flight = 4
"""
SB1: dict[str, Any] = {
    "b1_filial": "  ",
    "b1_cod": "000123         ",
    "b1_desc": "DIPIRONA SODICA 500MG         ",
    "b1_fabric": "FARMA          ",
    "b1_codbar": "7890000000001  ",
    "b1_msblql": "2",
    "b1_obs": "  Para dor e febre: ação rápida.  ",
}


def page(*rows: Mapping[str, Any], more: bool = False) -> Reply:
    """An answer of genericList."""
    return cp1252({"items": list(rows), "hasNext": more})


def asked(answer: Answer, folder: Path, more: str = "", toml: str = TEN_LINES) -> Pulled:
    """What a pull of a server that answers so gives."""
    with serving(answer) as stand_in:
        return pull(source_of(folder, toml.format(url=stand_in.url) + more, MATRIZ_PASSWORD="secreta"))


def test_the_lines_that_the_interface_promises_read_the_products_of_sb1(tmp_path: Path) -> None:
    """Six lines: genericList over SB1, sorted by branch and code, told which fields, with Basic; its values without their blanks."""
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return page(SB1)

    change = asked(answer, tmp_path).change
    assert (change.source_id, change.facts.name, change.facts.laboratory) == ("000123", "DIPIRONA SODICA 500MG", "FARMA")
    assert change.facts.eans == ("7890000000001",)
    assert change.contents[0].body == "Para dor e febre: ação rápida.".encode()
    # Pages are asked for ahead, as many as may be in flight.
    request = next(one for one in seen if one.query["page"] == "1")
    assert (request.method, request.path) == ("GET", "/rest/api/framework/v1/genericList")
    assert request.query == {
        "alias": "SB1",
        "fields": "B1_COD,B1_CODBAR,B1_DESC,B1_FABRIC,B1_FILIAL,B1_MSBLQL,B1_OBS",
        "order": "B1_FILIAL,B1_COD",
        "page": "1",
        "pageSize": "100",
    }
    assert request.headers["Authorization"] == "Basic c2FjOnNlY3JldGE="
    assert "TenantId" not in request.headers


@pytest.mark.parametrize(
    "content_type", ["charset=cp1252", "application/json", "application/json; charset=utf-8", "text/json; charset=ISO-8859-1", ""]
)
def test_bytes_of_windows_1252_are_read_under_any_label(tmp_path: Path, content_type: str) -> None:
    """Where Protheus cannot convert a buffer it sends it as it is; what the header says then is no help."""
    body = '{"items":[{"B1_COD":"1","B1_OBS":"INDICAÇÃO: ação “’” não"}],"hasNext":false}'
    change = asked(lambda _: Reply(body.encode("cp1252"), 200, {"Content-Type": content_type}), tmp_path).change
    assert change.contents[0].body.decode() == "INDICAÇÃO: ação “’” não"


def test_a_branch_is_part_of_the_id_and_a_number_of_the_record_never(tmp_path: Path) -> None:
    """The same code in two branches is two products; a shared table has a blank branch."""
    rows = [SB1 | {"b1_filial": branch, "r_e_c_n_o_": 7} for branch in ("", "D MG 01 ", "D MG 02 ")]
    assert asked(lambda _: page(*rows), tmp_path).ids == ["000123", "D MG 01-000123", "D MG 02-000123"]


@pytest.mark.parametrize("mark", [{"b1_msblql": "1"}, {"D_E_L_E_T_": "*"}])
def test_a_blocked_product_and_one_marked_as_deleted_are_withdrawn(tmp_path: Path, mark: dict[str, Any]) -> None:
    """Neither vanishes from its table."""
    (change,) = asked(lambda _: page(SB1 | {"D_E_L_E_T_": " "} | mark), tmp_path).changes
    assert isinstance(change, Withdrawal)


SERVICE = (
    TEN_LINES
    + """
path = "/api/bulas/v1/produtos"
order = "codigo"
changed_since = {{ parameter = "filter", format = "stamp ge '%Y-%m-%d %H:%M:%S'" }}
fields = {{ id = "codigo", text = "bula", updated_at = "stamp", deleted = "deletado == '*'" }}
"""
)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("20261122", datetime(2026, 11, 22, tzinfo=UTC)),
        ("20261122 09:15:00", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2026-11-22T09:15:00.123", datetime(2026, 11, 22, 9, 15, 0, 123_000, tzinfo=UTC)),
        ("        ", datetime(1970, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_utc_as_the_database_writes_them(tmp_path: Path, stamp: str, at: datetime) -> None:
    """S_T_A_M_P_ is UTC, dates of the tables are eight digits, and rows older than the stamp have none: they count as long ago."""
    toml = SERVICE.replace('"stamp"', '"S_T_A_M_P_"')
    change = asked(lambda _: page({"codigo": "1", "bula": "Tome.", "s_t_a_m_p_": stamp}), tmp_path, toml=toml).change
    assert change.updated_at == at


def test_a_stamp_that_is_switched_off_is_refused_by_check(tmp_path: Path) -> None:
    """A service filtered by it would answer, and never tell of a change."""
    toml = SERVICE.replace('"stamp"', '"S_T_A_M_P_"')
    with serving(lambda _: page({"codigo": "1", "bula": "Tome.", "S_T_A_M_P_": None})) as erp:
        source = source_of(tmp_path, toml.format(url=erp.url), MATRIZ_PASSWORD="secreta")
        with pytest.raises(SourceRefused, match="have DBAccess write S_T_A_M_P_"):
            source.check()


def test_what_changed_is_asked_for_in_the_words_of_the_service(tmp_path: Path) -> None:
    """The template of sources.toml, with the cursor's time in UTC."""
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return page({"codigo": "1", "bula": "Tome.", "stamp": "2026-11-22 09:15:00.000"})

    with serving(answer) as erp:
        source = source_of(
            tmp_path, SERVICE.replace("max_in_flight = 4", "max_in_flight = 1").format(url=erp.url), MATRIZ_PASSWORD="secreta"
        )
        pull(source, "2026-11-22T09:15:00.000000Z")
    assert seen[0].query == {"order": "codigo", "filter": "stamp ge '2026-11-22 09:10:00'", "page": "1", "pageSize": "100"}


def test_a_filter_without_a_time_to_go_by_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    """The cursor is made of the products' own times."""
    toml = SERVICE.replace('updated_at = "stamp", ', "")
    with pytest.raises(Misconfigured, match=r"changed_since needs fields\.updated_at"):
        source_of(tmp_path, toml.format(url="http://127.0.0.1:9"), MATRIZ_PASSWORD="secreta")


def test_attachments_which_its_wire_does_not_have_are_refused(tmp_path: Path) -> None:
    """Better than leaflets that silently never come."""
    with pytest.raises(Misconfigured, match='those of type = "protheus" are not read'):
        source_of(tmp_path, TEN_LINES.format(url="http://127.0.0.1:9") + "attachments = true", MATRIZ_PASSWORD="secreta")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (fault(404, "Resource not found", "Product 000999 was not found in branch 01"), "answered 404: 404 - Resource not found - Product"),
        (cp1252({"errorCode": 404, "errorMessage": "Serviço não encontrado"}, 404), "Serviço não encontrado; check `url`, `path`"),
        (cp1252({"errorCode": 400, "errorMessage": "alias não informado"}), "answered 200: 400 - alias não informado"),
        (fault(403, "Acesso negado"), "Acesso negado; it does not accept our credentials"),
        (Reply(b"<html>404</html>", 404, {"Content-Type": "text/html"}), "answered 404; check `url`"),
    ],
)
def test_errors_of_both_shapes_are_told_in_the_server_s_words_and_not_asked_again(tmp_path: Path, reply: Reply, words: str) -> None:
    """TTALK's and the framework's; the latter may come with status 200."""
    with serving(lambda _: reply) as erp:
        source = source_of(tmp_path, TEN_LINES.format(url=erp.url), MATRIZ_PASSWORD="secreta")
        with pytest.raises(SourceRefused) as refused:
            source.check()
        assert len(erp.asked) == 1
    assert words in str(refused.value)
    assert "secreta" not in str(refused.value)


def test_nothing_told_as_an_error_is_nothing_where_the_house_says_so(tmp_path: Path) -> None:
    """Services in ADVPL like to say "Nenhum registro encontrado" as a fault."""
    nothing = fault(400, "Nenhum registro Encontrado")
    assert asked(lambda _: nothing, tmp_path, "empty_errors = ['nenhum registro']").complete
    with pytest.raises(SourceRefused, match="Nenhum registro"):
        asked(lambda _: nothing, tmp_path)


@pytest.mark.parametrize("key", ["protectedDataFields", "nivelFields"])
def test_fields_that_the_user_may_not_see_are_told_of_and_not_taken_for_empty(tmp_path: Path, key: str) -> None:
    """genericList leaves them out of its rows without a fault, and names them beside."""
    with pytest.raises(SourceRefused, match="holds back B1_OBS from 'sac'"):
        asked(lambda _: cp1252({"items": [{"b1_cod": "1"}], "hasNext": False, key: ["b1_obs", "b1_preco"]}), tmp_path)


def test_a_service_that_forgets_has_next_is_asked_until_it_has_nothing(tmp_path: Path) -> None:
    """Its first page is not taken for all there is, which would withdraw the rest."""
    pages: dict[str, list[dict[str, Any]]] = {"1": [SB1], "2": [SB1 | {"b1_cod": "000124"}]}

    def answer(request: Request) -> Reply:
        return cp1252({"items": pages.get(request.query["page"], [])})

    assert asked(answer, tmp_path, "page_size = 1").ids == ["000123", "000124"]


def test_a_list_under_another_name_is_found_where_the_table_says(tmp_path: Path) -> None:
    """Houses call it objects, produtos; without its name a person is told."""
    reply = cp1252({"objects": [SB1], "hasNext": False})
    assert asked(lambda _: reply, tmp_path, 'records = "objects"').ids == ["000123"]
    with pytest.raises(SourceChanged, match="check `path` and `records`"):
        asked(lambda _: reply, tmp_path)


def test_a_product_deleted_between_pages_fails_the_pull_of_a_server_with_pages_of_its_own_length(tmp_path: Path) -> None:
    """The server heeds no pageSize at all; nothing deleted is no failure, and one that moved the pages is."""
    erp = Protheus()
    for number in range(1, 8):
        erp.put(f"P{number}", "palavra")

    def answer(request: Request) -> Reply:
        return erp.answer(Request(request.method, request.path, {**request.query, "pageSize": "3"}, request.headers, request.body))

    with serving(answer) as stand_in:
        source = erp.source(tmp_path, stand_in)
        assert len(pull(source).ids) == 7

        def deleting(request: Request) -> Reply:
            reply = answer(request)
            if request.query["page"] == "3":
                erp.products.pop("P1", None)
            return reply

    erp.put("P1", "palavra")
    with serving(deleting) as stand_in, pytest.raises(SourceDown, match="records were deleted while its pages were read"):
        pull(erp.source(tmp_path, stand_in, "max_in_flight = 1"))


def test_a_token_is_had_with_headers_and_anew_once_when_it_is_refused(tmp_path: Path) -> None:
    """POST ...token?grant_type=password, answered 201; no password and no token is in any address."""
    erp = ProtheusService()
    erp.put("P1", "palavra")
    with erp.running() as stand_in:
        source = erp.source(tmp_path, stand_in, "max_in_flight = 1")
        pull(source)
        erp.expire()
        pull(source)
        paths = [(request.method, request.path.rpartition("/")[2]) for request in stand_in.asked]
    assert paths == [("POST", "token"), ("GET", "produtos"), ("GET", "produtos"), ("POST", "token"), ("GET", "produtos")]
    assert all(erp.secrets["SECRET"] not in str(request.query) and "token-" not in str(request.query) for request in stand_in.asked)
    assert stand_in.asked[0].headers["TenantId"] == "T1,D MG 01"


def test_a_server_that_refuses_basic_is_shown_a_token(tmp_path: Path) -> None:
    """Where sources.toml does not say which; with a wrong password each is refused once, and both are told."""
    erp = ProtheusService()
    erp.put("P1", "palavra")
    with erp.running() as stand_in:
        toml = f'type = "protheus"\nurl = "{stand_in.url}"\n{erp.table}\nmax_in_flight = 1'.replace('auth = "token"\n', "")
        source = source_of(tmp_path, toml, **erp.secrets)
        assert [pull(source).ids, pull(source).ids] == [["D MG 01-P1"]] * 2
        assert [request.path.rpartition("/")[2] for request in stand_in.asked] == ["produtos", "token", "produtos", "produtos"]
        stand_in.asked.clear()
        with pytest.raises(SourceRefused, match=r"HTTP Basic was refused, and there is no token: .* answered 401"):
            source_of(tmp_path, toml, SECRET="falsch").check()
        assert len(stand_in.asked) == 2


def test_a_token_server_without_a_token_is_a_change_that_a_person_must_see(tmp_path: Path) -> None:
    """And one that is not there says which keys to look at."""
    with pytest.raises(SourceChanged, match="without an access_token"):
        asked(lambda _: told({"message": "ok"}, 201), tmp_path, 'auth = "token"')
    with pytest.raises(SourceRefused, match=r"no token: .*check `username` and `password`, and that the server has api/oauth2/v1/token"):
        asked(lambda _: told({}, 404), tmp_path, 'auth = "token"')


def test_two_requests_at_once_are_the_default(tmp_path: Path) -> None:
    """The server has a few instances for everybody; TOTVS names no rate to keep."""
    toml = TEN_LINES.replace("max_in_flight = 4\n", "").format(url="http://127.0.0.1:9")
    source = source_of(tmp_path, toml, MATRIZ_PASSWORD="secreta")
    assert isinstance(source, ErpSource)
    assert source.max_in_flight == 2


def test_a_reply_as_public_code_has_it_becomes_leaflets(tmp_path: Path) -> None:
    """TTALK's example, mapped by the customer."""
    reply = told(
        {
            "hasNext": False,
            "items": [{"code": "000001", "name": "Remédio A"}, {"code": "000002", "name": "Remédio B"}],
            "remainingRecords": 0,
        }
    )
    toml = TEN_LINES + 'path = "api/retail/v1/retailItem"\nfields = {{ id = "code", name = "name", text = "name" }}\n'
    changes = [change for change in asked(lambda _: reply, tmp_path, toml=toml).changes if isinstance(change, Change)]
    assert [(change.source_id, change.facts.name) for change in changes] == [("000001", "Remédio A"), ("000002", "Remédio B")]
