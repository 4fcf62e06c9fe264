"""What is S/4HANA's alone: two versions of OData, texts in languages, and a missing service that looks like a missing right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import SourceChanged, SourceRefused
from indexer.sources.config import Misconfigured
from leaflets import Unreadable, Withdrawal
from tests.sources.standin import Pulled, Reply, Request, pull, serving, source_of, told
from tests.sources.vendors.s4hana import S4hana, S4hanaV4

TABLE = """
type = "s4hana"
url = "{url}"
auth = {{ type = "basic", username = "SAC", password = {{ env = "MATRIZ_PASSWORD" }} }}
"""
PRODUCT: dict[str, Any] = {
    "__metadata": {"type": "API_PRODUCT_SRV.A_ProductType", "etag": "W/\"datetimeoffset'2005-10-24T15%3A36%3A52.0000000Z'\""},
    "Product": "MED001",
    "ProductStandardID": "7890000000001",
    "CreationDate": "/Date(1130112000000)/",
    "LastChangeDateTime": "/Date(1130168212000+0000)/",
    "IsMarkedForDeletion": False,
    "to_Description": {
        "results": [{"Language": "DE", "ProductDescription": "Arznei"}, {"Language": "PT", "ProductDescription": "Remédio"}]
    },
    "to_ProductBasicText": {"results": [{"Language": "PT", "LongText": "Tome um."}, {"Language": "PT", "LongText": "Com água."}]},
}


def v2(*rows: Mapping[str, Any]) -> Callable[[Request], Reply]:
    """A Gateway with these products, in version 2."""

    def answer(request: Request) -> Reply:
        return told({"d": {"results": [] if "Product gt" in request.query.get("$filter", "") else rows}})

    return answer


def pulled(answer: Callable[[Request], Reply], folder: Path, more: str = "") -> Pulled:
    """What a pull gives."""
    with serving(answer) as stand_in:
        return pull(source_of(folder, TABLE.format(url=stand_in.url) + more, MATRIZ_PASSWORD="secreta"))


def test_a_product_as_a_real_gateway_writes_it_becomes_a_leaflet(tmp_path: Path) -> None:
    """Its description and its texts are those of the language, its time is in brackets."""
    change = pulled(v2(PRODUCT), tmp_path).change
    assert (change.source_id, change.facts.name, change.facts.eans) == ("MED001", "Remédio", ("7890000000001",))
    assert change.updated_at == datetime(2005, 10, 24, 15, 36, 52, tzinfo=UTC)
    assert change.contents[0].body.decode() == "Tome um.\nCom água."


@pytest.mark.parametrize(
    ("row", "at"),
    [
        ({"LastChangeDateTime": None}, datetime(2005, 10, 24, tzinfo=UTC)),
        ({"LastChangeDateTime": None, "CreationDateTime": "2026-11-22T07:44:48Z"}, datetime(2026, 11, 22, 7, 44, 48, tzinfo=UTC)),
        ({"LastChangeDateTime": "2026-11-22T07:44:48.1234567Z"}, datetime(2026, 11, 22, 7, 44, 48, 123_456, tzinfo=UTC)),
    ],
)
def test_a_product_that_was_never_edited_is_as_old_as_it_is(tmp_path: Path, row: dict[str, Any], at: datetime) -> None:
    """In the writing of either version, seven digits of a second included."""
    assert pulled(v2(PRODUCT | row), tmp_path).change.updated_at == at


def test_a_product_marked_for_deletion_is_withdrawn(tmp_path: Path) -> None:
    """It goes on being listed until it is archived."""
    (change,) = pulled(v2(PRODUCT | {"IsMarkedForDeletion": True}), tmp_path).changes
    assert isinstance(change, Withdrawal)


def test_texts_of_other_languages_are_left_out_unless_all_are_wanted(tmp_path: Path) -> None:
    """An English leaflet is none for this desk."""
    row = PRODUCT | {"to_ProductBasicText": {"results": [{"Language": "EN", "LongText": "Take one."}]}}
    (change,) = pulled(v2(row), tmp_path).changes
    assert isinstance(change, Unreadable)
    assert pulled(v2(row), tmp_path, 'language = ""').change.contents[0].body == b"Take one."


@pytest.mark.parametrize("missing", [{"__deferred": {"uri": "https://s4.example"}}, {"results": []}, None])
def test_a_product_without_a_text_is_told_of_and_stops_nothing(tmp_path: Path, missing: object) -> None:
    """Whether its texts were not expanded, are none, or are not there."""
    (change,) = pulled(v2(PRODUCT | {"to_ProductBasicText": missing}), tmp_path).changes
    assert isinstance(change, Unreadable)
    assert "it has no leaflet" in change.reason


@pytest.mark.parametrize(
    ("more", "path", "query"),
    [
        (
            'client = "100"',
            "/sap/opu/odata/sap/API_PRODUCT_SRV/A_Product",
            {
                "$format": "json",
                "$filter": "LastChangeDateTime ge datetimeoffset'2026-11-22T07:39:48Z'",
                "$expand": "to_Description,to_ProductBasicText",
                "sap-client": "100",
            },
        ),
        (
            'odata = "v4"',
            "/sap/opu/odata4/sap/api_product/srvd_a2x/sap/product/0002/Product",
            {"$filter": "LastChangeDateTime ge 2026-11-22T07:39:48Z", "$expand": "_ProductBasicText,_ProductDescription"},
        ),
        (
            'path = "/sap/opu/odata/sap/ZBULAS_SRV/Bulas"\nkey = "Bula"\nchanged = "Alterado"\nfields = { text = "Texto", name = "Nome" }',
            "/sap/opu/odata/sap/ZBULAS_SRV/Bulas",
            {"$format": "json", "$filter": "Alterado ge datetimeoffset'2026-11-22T07:39:48Z'", "$orderby": "Bula"},
        ),
    ],
)
def test_it_asks_as_each_version_wants_it(tmp_path: Path, more: str, path: str, query: dict[str, str]) -> None:
    """Paths, literals, what to expand, and JSON by name: without Accept a Gateway answers with Atom."""
    with serving(lambda _: told({"d": {"results": []}})) as erp:
        source = source_of(tmp_path, TABLE.format(url=erp.url) + more, MATRIZ_PASSWORD="secreta")
        pull(source, "2026-11-22T07:44:48.900000Z")
        (request,) = erp.asked
    assert (request.method, request.path) == ("GET", path)
    assert request.query == {"$orderby": "Product", "$top": "100", **query}
    assert request.headers["Accept"] == "application/json"
    assert "x-csrf-token" not in {name.lower() for name in request.headers}


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (S4hana().error(403, "/IWFND/MED/170", "无服务"), "the error /IWFND/MED/170: 无服务; the service is not there: have it activated"),
        (
            S4hanaV4().error(404, "/IWFND/CM_V4_COS/014", "Not published"),
            "/IWFND/CM_V4_COS/014: Not published; check `url`, `path`, `odata`",
        ),
        (S4hana().error(403, "005056A509B11EE1B9A8FEC11C21D78E", "No authorization"), "or our credentials may not read this"),
        (
            told({"error": {"message": 'Property "nofield" does not exist', "code": "400"}}, 400),
            'the error 400: Property "nofield" does not',
        ),
        (Reply(b"<error><code>005</code></error>", 400, {"Content-Type": "application/xml"}), "answered 400; check `url`, `path`, `odata`"),
    ],
)
def test_errors_are_told_in_the_server_s_words_and_not_asked_again(tmp_path: Path, reply: Reply, words: str) -> None:
    """A service that is not there is a 403 here, as if a right were lacking."""
    with serving(lambda _: reply) as erp:
        source = source_of(tmp_path, TABLE.format(url=erp.url), MATRIZ_PASSWORD="secreta")
        with pytest.raises(SourceRefused) as refused:
            source.check()
        assert len(erp.asked) == 1
    assert words in str(refused.value)
    assert "secreta" not in str(refused.value)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b'<?xml version="1.0"?><feed/>', 200, {"Content-Type": "application/atom+xml"}), "where JSON was expected"),
        (Reply(b"<!doctype html><form>Logon</form>", 200, {"Content-Type": "text/html"}), "no login page"),
        (told({"items": []}), "does it speak OData"),
        (told({"d": {"results": [{"Produto": "1"}]}}), "gives products without Product: check the key's name"),
    ],
)
def test_an_answer_of_another_kind_is_a_change_that_a_person_must_see(tmp_path: Path, reply: Reply, words: str) -> None:
    """Atom, a login page with status 200, another API, another service."""
    with pytest.raises(SourceChanged, match=words):
        pulled(lambda _: reply, tmp_path)


def test_pages_that_come_round_again_are_told_of(tmp_path: Path) -> None:
    """A server that heeds no order has no end."""
    turns = iter(range(9))

    def answer(_: Request) -> Reply:
        return told({"d": {"results": [PRODUCT | {"Product": f"MED{next(turns) % 2}"}]}})

    with pytest.raises(SourceChanged, match="go round in a loop"):
        pulled(answer, tmp_path)


def test_an_oauth_client_gets_a_new_token_once_when_the_gateway_turns_the_old_one_down(tmp_path: Path) -> None:
    """The same table as that of rest."""
    tokens: list[str] = []

    def answer(request: Request) -> Reply:
        if request.path == "/oauth/token":
            tokens.append(f"t{len(tokens)}")
            return told({"access_token": tokens[-1], "token_type": "bearer", "expires_in": 300})
        if request.headers.get("Authorization") != "Bearer t1":
            return Reply(b"", 401, {})
        return v2(PRODUCT)(request)

    with serving(answer) as erp:
        auth = (
            f'type = "oauth2_client_credentials", token_url = "{erp.url}/oauth/token", client_id = "sac", client_secret = {{ env = "S" }}'
        )
        source = source_of(tmp_path, f'type = "s4hana"\nurl = "{erp.url}"\nauth = {{ {auth} }}', S="secreta")
        assert pull(source).ids == ["MED001"]
    assert tokens == ["t0", "t1"]


def test_pages_of_version_2_may_have_their_rows_right_below_d(tmp_path: Path) -> None:
    """As the first services of the Gateway had them."""
    rows = [PRODUCT]
    assert pulled(lambda request: told({"d": [] if "gt" in request.query.get("$filter", "") else rows}), tmp_path).ids == ["MED001"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("attachments = true", 'those of type = "s4hana" are not read'),
        ('client = "10"', "client"),
        ('odata = "v3"', "odata"),
        ('changed = "A eq B"', "changed"),
    ],
)
def test_what_it_cannot_do_is_refused_before_anything_is_asked(tmp_path: Path, more: str, words: str) -> None:
    """With the key's name."""
    with pytest.raises(Misconfigured, match=words):
        source_of(tmp_path, TABLE.format(url="http://127.0.0.1:9") + more, MATRIZ_PASSWORD="secreta")
