"""What is Odoo's alone: errors with status 200, logins that say false, texts in several languages, `false` for nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import SourceChanged, SourceDown, SourceRefused
from indexer.sources.config import Misconfigured
from leaflets import Unreadable, Withdrawal
from tests.sources.standin import Answer, Reply, Request, StandIn, pull, source_of, told
from tests.sources.vendors.odoo import Odoo, OdooJson2

Serve = Callable[[Answer], StandIn]
HEAD = 'type = "odoo"\nurl = "{url}"\ndatabase = "farmacia"\nusername = "sac"\npassword = { env = "SECRET" }\ntimeout = 5\n'
# As a measured Odoo 16 gave it.
RECORDED = {
    "id": 1,
    "default_code": "MED001",
    "name": "Novalgina 1",
    "description": "<p>BULA AO PACIENTE – Novalgina® — ação ≤ 30 min</p>",
    "write_date": "2026-11-22 07:50:05",
    "active": True,
    "barcode": False,
}


def rpc(*rows: dict[str, Any]) -> Answer:
    """An Odoo that lets everybody in and gives these rows once."""

    def answer(request: Request) -> Reply:
        params = json.loads(request.body)["params"]
        if params["service"] == "common":
            return told({"jsonrpc": "2.0", "id": 1, "result": 2})
        method, args = params["args"][4], params["args"][5]
        first = method == "search_read" and args[0][-1] == ["id", ">", 0]
        return told({"jsonrpc": "2.0", "id": 1, "result": list(rows) if first else {"lang": "pt_BR"} if method == "context_get" else []})

    return answer


def odoo(folder: Path, stand_in: StandIn, more: str = "") -> Any:
    """The source that pulls it."""
    return source_of(folder, HEAD.replace("{url}", stand_in.url) + more, SECRET="nothing-secret")


def test_a_recorded_row_becomes_a_leaflet(serve: Serve, tmp_path: Path) -> None:
    """Its time is UTC though it says no zone, and `false` means that there is nothing."""
    change = pull(odoo(tmp_path, serve(rpc(RECORDED)))).change
    assert (change.source_id, change.facts.name, change.facts.eans) == ("1", "Novalgina 1", ())
    assert change.updated_at == datetime(2026, 11, 22, 7, 50, 5, tzinfo=UTC)
    assert "ação ≤ 30 min" in change.contents[0].body.decode()


def test_an_archived_product_is_withdrawn(serve: Serve, tmp_path: Path) -> None:
    """`active` is false."""
    (only,) = pull(odoo(tmp_path, serve(rpc(RECORDED | {"active": False})))).changes
    assert isinstance(only, Withdrawal)


def test_a_product_without_a_leaflet_is_told(serve: Serve, tmp_path: Path) -> None:
    """Its description is `false`, which is no text."""
    (only,) = pull(odoo(tmp_path, serve(rpc(RECORDED | {"description": False})))).changes
    assert isinstance(only, Unreadable)
    assert "no leaflet" in only.reason


@pytest.mark.parametrize(
    ("name", "message", "kind", "mend"),
    [
        ("builtins.ValueError", "Invalid field 'x_bula' on model 'product.template'", SourceRefused, "names in `fields`"),
        ("odoo.exceptions.AccessDenied", "Access Denied", SourceRefused, "check `database`, `username` and `password`"),
        ("odoo.exceptions.AccessError", "You are not allowed to access 'Product'", SourceRefused, "not allowed"),
        ("psycopg2.OperationalError", 'FATAL: database "farmacia" does not exist', SourceRefused, "check `database`"),
        ("psycopg2.OperationalError", "server closed the connection unexpectedly", SourceDown, "closed the connection"),
        ("psycopg2.errors.SerializationFailure", "could not serialize access", SourceDown, "serialize"),
    ],
)
def test_an_error_with_status_200_is_told_for_what_it_is(
    serve: Serve, tmp_path: Path, name: str, message: str, kind: type[Exception], mend: str
) -> None:
    """What a person must mend is asked once, what passes is asked again; and never a word of the traceback or the password."""
    error = {"code": 200, "message": "Odoo Server Error", "data": {"name": name, "debug": "Traceback: nothing-secret", "message": message}}
    well = rpc(RECORDED)
    stand_in = serve(lambda asked: told({"jsonrpc": "2.0", "id": 1, "error": error}) if b"search_read" in asked.body else well(asked))
    with pytest.raises(kind, match=mend) as raised:
        pull(odoo(tmp_path, stand_in))
    assert sum(b"search_read" in one.body for one in stand_in.asked) == (3 if kind is SourceDown else 1)
    assert "Traceback" not in str(raised.value)
    assert "nothing-secret" not in str(raised.value)


def test_a_login_that_says_false_is_a_refusal(serve: Serve, tmp_path: Path) -> None:
    """Odoo raises nothing for a wrong password."""
    stand_in = serve(lambda _: told({"jsonrpc": "2.0", "id": 1, "result": False}))
    with pytest.raises(SourceRefused, match="did not let 'sac' in"):
        pull(odoo(tmp_path, stand_in))
    assert len(stand_in.asked) == 1


def test_something_else_than_odoo_is_told(serve: Serve, tmp_path: Path) -> None:
    """JSON, but no RPC's."""
    with pytest.raises(SourceChanged, match="is it Odoo, and is `api` right"):
        pull(odoo(tmp_path, serve(lambda _: told({"message": "hello"}))))


@pytest.mark.parametrize("kind", [Odoo, OdooJson2])
def test_texts_are_read_in_the_language_of_the_user(kind: type[Odoo], tmp_path: Path) -> None:
    """Read in another one they would be those before the last edit; a language of the table's own goes before."""
    erp = kind()
    erp.put("P001", "vprimeirax")
    with erp.running() as stand_in:
        assert b"vprimeirax" in pull(erp.source(tmp_path, stand_in)).change.contents[0].body
        assert b"as it was made" in pull(erp.source(tmp_path, stand_in, 'language = "es_ES"')).change.contents[0].body


def test_a_user_who_may_not_ask_for_his_language_still_reads(serve: Serve, tmp_path: Path) -> None:
    """In the language that Odoo chooses."""
    known = rpc(RECORDED)

    def answer(request: Request) -> Reply:
        if b"context_get" in request.body:
            about = {"name": "odoo.exceptions.AccessError", "message": "no"}
            return told({"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error", "data": about}})
        return known(request)

    stand_in = serve(answer)
    assert pull(odoo(tmp_path, stand_in)).change.source_id == "1"
    assert b'"lang"' not in stand_in.asked[-1].body


def test_only_the_fields_that_the_mapping_reads_are_asked_for(serve: Serve, tmp_path: Path) -> None:
    """Each once, without what lies below a link."""
    stand_in = serve(rpc())
    mapping = 'fields = { text = "x_bula", laboratory = "x_lab[1]", registration = "x_reg || default_code" }'
    pull(odoo(tmp_path, stand_in, mapping))
    asked = next(json.loads(one.body)["params"]["args"] for one in stand_in.asked if b"search_read" in one.body)
    assert sorted(set(asked[6]["fields"])) == ["active", "barcode", "default_code", "id", "name", "write_date", "x_bula", "x_lab", "x_reg"]
    assert asked[6]["context"] == {"active_test": False, "lang": "pt_BR"}


def test_json2_tells_what_it_refuses(tmp_path: Path) -> None:
    """An unknown field, in Odoo's own words; a wrong key without the key."""
    erp = OdooJson2()
    with erp.running() as stand_in:
        with pytest.raises(SourceRefused, match=r"Invalid field 'x_nada'.*names in `fields`"):
            pull(source_of(tmp_path, _json2(stand_in, 'fields = { text = "x_nada" }'), SECRET=erp.secrets["SECRET"]))
        with pytest.raises(SourceRefused, match="does not accept our credentials") as refused:
            pull(source_of(tmp_path, _json2(stand_in), SECRET="wrong-key"))
    assert "wrong-key" not in str(refused.value)


def _json2(stand_in: StandIn, more: str = "") -> str:
    return f'type = "odoo"\napi = "json2"\nurl = "{stand_in.url}"\ndatabase = "farmacia"\npassword = {{ env = "SECRET" }}\n{more}'


def test_json2_needs_no_user_and_rpc_does(tmp_path: Path) -> None:
    """What is missing is told before anything is asked."""
    with pytest.raises(Misconfigured, match="username is missing"):
        source_of(tmp_path, HEAD.replace('username = "sac"\n', "").replace("{url}", "http://erp.example"), SECRET="x")


def test_attachments_come_as_bytes_and_without_pictures(tmp_path: Path) -> None:
    """A product's own picture is an attachment too, of a field; with bin_size a size would come in place of the bytes."""
    erp = Odoo()
    erp.put("P001", "vprimeirax")
    erp.hang("P001", "bula.pdf", b"%PDF-1.4 x")

    with erp.running() as stand_in:
        (good,) = pull(erp.source(tmp_path, stand_in, "attachments = true")).changes
        asked = [one.body for one in stand_in.asked if b"ir.attachment" in one.body]
    assert b'["res_field", "=", false]' in asked[0]
    assert b"bin_size" not in b"".join(asked)
    assert good.source_id == "P001"
