"""What is Tryton's alone, against a real one: its times, its archive, its attachments, its links, its logins."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexer.sources.base import Busy, SourceDown, SourceRefused, in_turn
from leaflets import Change, Content, Unreadable, Withdrawal
from tests.sources.standin import Answer, Reply, Request, StandIn, gathered, pull, source_of, told
from tests.sources.trytons import PASSWORD, Trytond


class Tryton:
    """What tests do with the products of a real Tryton."""

    def __init__(self, server: Trytond) -> None:
        self.url = server.url
        self.rpc = server.rpc
        self.forget_sessions = server.forget_sessions
        self._attach = server.attach

    def add(self, count: int) -> list[int]:
        """So many products with leaflets, in one transaction, and so of one and the same time."""
        leaflets = [{"suffix_code": uuid.uuid4().hex, "description": f"Bula nº {n} – ação ≤ 30 min"} for n in range(count)]
        rows = [
            {"name": f"Remédio {n}", "default_uom": 1, "type": "goods", "products": [["create", [leaflet]]]}
            for n, leaflet in enumerate(leaflets)
        ]
        self.rpc("model.product.template.create", rows, {})
        found: list[int] = self.rpc("model.product.product.search", [["active", "in", [True, False]]], 0, None, [["id", "ASC"]], {})
        return found[-count:]

    def write(self, product: int, **values: object) -> None:
        """Edits a product."""
        self.rpc("model.product.product.write", [product], values, {})

    def write_template(self, product: int, **values: object) -> None:
        """Edits a product's template."""
        template = self.rpc("model.product.product.read", [product], ["template"], {})[0]["template"]
        self.rpc("model.product.template.write", [template], values, {})

    def attach(self, product: int, name: str, body: bytes) -> None:
        """Attaches a file to a product, or puts it in place of one of the same name."""
        self._attach(f"product.product,{product}", name, body)


@pytest.fixture(name="tryton")
def _tryton(tryton: Trytond) -> Tryton:
    """The run's Tryton, without products."""
    tryton.delete_products()
    return Tryton(tryton)


def source(folder: Path, tryton: Tryton, *lines: str, password: str = PASSWORD) -> Any:
    """A source of type tryton; it reads back no further than it must, so that tests see what a pull adds."""
    head = [
        'type = "tryton"',
        f'url = "{tryton.url}"',
        'database = "bulas"',
        'username = "admin"',
        'password = { env = "PASSWORD" }',
        'lag = "0s"',
    ]
    return source_of(folder, "\n".join([*head, *lines]), PASSWORD=password)


def moment(tryton: Tryton) -> str:
    """A cursor behind all that was done so far: Tryton's own latest time, and a microsecond."""
    fields = ["write_date", "create_date", "template.write_date", "template.create_date"]
    found = tryton.rpc("model.product.product.search_read", [["active", "in", [True, False]]], 0, None, None, fields, {})
    rows = [*found, *(row["template."] for row in found)]
    rows += tryton.rpc("model.ir.attachment.search_read", [], 0, None, None, ["write_date", "create_date"], {})
    times = [value for row in rows for value in row.values() if isinstance(value, dict) and "year" in value]
    parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
    year, month, day, hour, minute, second, microsecond = max(tuple(time[part] for part in parts) for time in times)
    return f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{microsecond + 1:06}Z"


def test_all_products_of_a_bulk_edit_are_read(tryton: Tryton, tmp_path: Path) -> None:
    """Two and a half pages of products with five times in all: pages by time would lose some, pages by id do not."""
    products = [product for _ in range(5) for product in tryton.add(50)]
    pulled = pull(source(tmp_path, tryton))
    assert pulled.ids == [str(product) for product in products]
    change = pulled.changes[0]
    assert isinstance(change, Change)
    assert change.facts.name == "Remédio 0"
    assert change.contents == (Content("Bula nº 0 – ação ≤ 30 min".encode(), "text/plain", "utf-8"),)
    assert len({change.version for change in pulled.changes}) == 5


def test_the_next_pull_gives_what_was_edited_and_what_was_archived(tryton: Tryton, tmp_path: Path) -> None:
    """An edit of the text, a new name of the template (which leaves the product's own time as it was), an archived product."""
    products = tryton.add(25)
    erp = source(tmp_path, tryton)
    first = pull(erp)
    since = moment(tryton)
    tryton.write(products[3], description="Bula nova")
    tryton.write_template(products[7], name="Outro nome")
    tryton.write(products[11], active=False)
    second = pull(erp, since)
    assert second.ids == [str(products[n]) for n in (3, 7, 11)]
    edited, renamed, archived = second.changes
    assert isinstance(edited, Change)
    assert edited.contents[0].body == b"Bula nova"
    assert isinstance(renamed, Change)
    assert renamed.facts.name == "Outro nome"
    assert isinstance(archived, Withdrawal)
    before = {change.source_id: change.version for change in first.changes}
    assert all(change.version > before[change.source_id] for change in second.changes)


def test_a_pull_of_everything_is_complete(tryton: Tryton, tmp_path: Path) -> None:
    """The first one, and one that is meant to be whole though there is a cursor."""
    tryton.add(2)
    erp = source(tmp_path, tryton)
    first, since = pull(erp), moment(tryton)
    pulls = [first, pull(erp, since), pull(erp, since, whole=True)]
    assert [(len(pulled.ids), pulled.complete) for pulled in pulls] == [(2, True), (0, False), (2, True)]


def test_the_cursor_reads_the_newest_again(tryton: Tryton, tmp_path: Path) -> None:
    """A transaction is dated when it began and seen when it ends, so the window starts before the newest, not behind it."""
    products = tryton.add(20)
    erp = source(tmp_path, tryton)
    assert pull(erp, pull(erp).cursor).ids == [str(product) for product in products]


def test_attached_pdfs_are_leaflets_of_their_own_edits(tryton: Tryton, tmp_path: Path) -> None:
    """Attaching leaves the product's time as it was, and is seen all the same; other files are not read."""
    first, second = tryton.add(2)
    erp = source(tmp_path, tryton, "attachments = true")
    assert len(pull(erp).ids) == 2
    since = moment(tryton)
    tryton.attach(second, "bula.pdf", b"%PDF-1.4 paciente")
    tryton.attach(second, "profissional.PDF", b"%PDF-1.4 profissional" + bytes(range(256)))
    tryton.attach(second, "foto.png", b"png")
    changes = pull(erp, since).changes
    assert [change.source_id for change in changes] == [str(second), str(second)]
    bodies = [change.contents[0].body for change in changes if isinstance(change, Change)]
    assert bodies == [b"%PDF-1.4 paciente", b"%PDF-1.4 profissional" + bytes(range(256))]
    whole = pull(erp).changes
    assert [change.source_id for change in whole] == [str(first), str(second), str(second)]


def test_its_own_fields_say_what_anvisa_registered(tryton: Tryton, tmp_path: Path) -> None:
    """Whichever they are; what says nothing of it is no error. Tryton's own `active` stays the archive's."""
    stands, ended = tryton.add(2)
    tryton.write_template(stands, consumable=True)
    tryton.write_template(ended, consumable=False)
    changes = pull(source(tmp_path, tryton, 'fields = { category = "template.type", active = "template.consumable" }')).changes
    assert [(c.source_id, c.facts.category, c.facts.active) for c in changes if isinstance(c, Change)] == [
        (str(stands), None, True),
        (str(ended), None, False),
    ]


def test_a_product_without_a_leaflet_stops_no_other(tryton: Tryton, tmp_path: Path) -> None:
    """It is told."""
    products = tryton.add(2)
    tryton.write(products[0], description=None)
    wrong, right = pull(source(tmp_path, tryton)).changes
    assert "no leaflet" in getattr(wrong, "reason", "")
    assert isinstance(right, Change)


def test_a_session_that_tryton_forgot_is_opened_anew(tryton: Tryton, tmp_path: Path) -> None:
    """As after a reset of its password; the pull goes on."""
    tryton.add(1)
    erp = source(tmp_path, tryton)
    assert len(pull(erp).ids) == 1
    tryton.forget_sessions()
    assert len(pull(erp).ids) == 1


def test_what_is_deleted_between_pages_hides_nothing(tryton: Tryton, tmp_path: Path) -> None:
    """Pages of a hundred; the first product goes once its page was read."""
    products = [product for _ in range(3) for product in tryton.add(50)]
    erp = source(tmp_path, tryton)
    pages = erp.pages(None, in_turn)
    first = next(pages)
    template = tryton.rpc("model.product.product.read", [products[0]], ["template"], {})[0]["template"]
    tryton.rpc("model.product.template.delete", [template], {})
    assert [*gathered([first]).ids, *gathered(pages).ids] == [str(product) for product in products]
    # And is gone with the next whole listing.
    whole = pull(erp, whole=True)
    assert whole.complete
    assert whole.ids == [str(product) for product in products[1:]]


def test_an_attachment_that_is_replaced_arrives_again(tryton: Tryton, tmp_path: Path) -> None:
    """Under its old name, its product unedited; an equal one beside it does not hide it."""
    first, second = tryton.add(2)
    erp = source(tmp_path, tryton, "attachments = true")
    tryton.attach(first, "bula.pdf", b"%PDF-1.4 uma")
    tryton.attach(second, "bula.pdf", b"%PDF-1.4 uma")
    before = {change.source_id: change.version for change in pull(erp).changes}
    since = moment(tryton)
    tryton.attach(first, "bula.pdf", b"%PDF-1.4 outra")
    change = pull(erp, since).change
    assert (change.source_id, change.contents[0].body) == (str(first), b"%PDF-1.4 outra")
    assert change.version > before[str(first)]


def test_a_record_that_cannot_be_read_stops_no_other(tryton: Tryton, tmp_path: Path) -> None:
    """It is told with its original, its links unfolded."""
    products = tryton.add(3)
    tryton.write_template(products[1], name="marciano")
    toml = "fields = { audience = \"contains(template.name, 'Remédio') && 'VP' || template.name\" }"
    _, broken, _ = pull(source(tmp_path, tryton, toml)).changes
    assert isinstance(broken, Unreadable)
    assert broken.source_id == str(products[1])
    assert "marciano" in broken.original


def test_expressions_lead_to_other_records(tryton: Tryton, tmp_path: Path) -> None:
    """To one, to many, and with functions over both: only what is read is asked for."""
    (product,) = tryton.add(1)
    (category,) = tryton.rpc("model.product.category.create", [{"name": "Laboratório X"}], {})
    tryton.write_template(product, categories=[["add", [category]]])
    toml = (
        'fields = { laboratory = "template.categories[0].name", active_ingredients = "template.categories[*].name | join(\';\', @)", '
        "name = \"join(' ', [template.name, template.default_uom.symbol])\" }"
    )
    facts = pull(source(tmp_path, tryton, toml)).change.facts
    assert (facts.laboratory, facts.active_ingredients, facts.name) == ("Laboratório X", ("Laboratório X",), "Remédio 0 u")


def test_a_refused_password_is_not_sent_again(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """However often the source is asked: Tryton would let nobody in by that name."""
    server = serve(lambda _: Reply(b"<h1>Unauthorized</h1>", 401, {"Content-Type": "text/html"}))
    toml = f'type = "tryton"\nurl = "{server.url}"\ndatabase = "d"\nusername = "sac"\npassword = {{ env = "P" }}'
    erp = source_of(tmp_path, toml, P="wr0ng")
    for _ in range(3):
        with pytest.raises(SourceRefused, match="not sent again for 10 minutes") as refused:
            erp.check()
        assert "wr0ng" not in str(refused.value)
    assert len(server.asked) == 1


def test_a_login_that_comes_too_soon_waits_as_long_as_tryton_remembers(serve: Callable[[Answer], StandIn], tmp_path: Path) -> None:
    """It says 429 without for how long; nothing is sent meanwhile."""
    server = serve(lambda _: Reply(b"<h1>Too Many Requests</h1>", 429, {"Content-Type": "text/html"}))
    toml = f'type = "tryton"\nurl = "{server.url}"\ndatabase = "d"\nusername = "sac"\npassword = {{ env = "P" }}'
    with pytest.raises(Busy, match="too many logins failed") as busy:
        source_of(tmp_path, toml, P="x").check()
    assert busy.value.wait == 300
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("error", "told_of", "passes"),
    [
        (["UserError", ["You are trying to read records that don't exist.", "", None]], "UserError: You are trying", False),
        (["'nofield'", "Traceback (most recent call last): ..."], "'nofield'", False),
        (["ConcurrencyException", "Record was modified"], "ConcurrencyException", True),
        (["database is locked", "Traceback (most recent call last): ..."], "database is locked", True),
    ],
)
def test_an_error_inside_an_answer_is_told_without_its_traceback(
    serve: Callable[[Answer], StandIn], tmp_path: Path, error: object, told_of: str, *, passes: bool
) -> None:
    """Its status is 200; what passes by itself is asked for again."""

    def answer(request: Request) -> Reply:
        return told({"id": 0, "result": [1, "token", None]} if b"login" in request.body else {"id": 0, "error": error})

    server = serve(answer)
    toml = f'type = "tryton"\nurl = "{server.url}"\ndatabase = "d"\nusername = "sac"\npassword = {{ env = "P" }}'
    with pytest.raises(SourceDown if passes else SourceRefused, match=told_of) as refused:
        source_of(tmp_path, toml, P="x").check()
    assert "Traceback" not in str(refused.value)
    assert len(server.asked) == (4 if passes else 2)


def test_a_wrong_password_is_refused_at_once(tryton: Tryton, tmp_path: Path) -> None:
    """And is not tried again: Tryton locks the user after a few. It is not shown."""
    with pytest.raises(SourceRefused, match="credentials") as refused:
        pull(source(tmp_path, tryton, password="wr0ng"))
    assert "wr0ng" not in str(refused.value)


@pytest.mark.parametrize("lines", ['model = "product.nowhere"', 'fields = { text = "nowhere" }'])
def test_a_model_or_field_that_is_not_there_is_refused(tryton: Tryton, tmp_path: Path, lines: str) -> None:
    """Tryton says so with status 200."""
    tryton.add(1)
    with pytest.raises(SourceRefused, match="nowhere"):
        pull(source(tmp_path, tryton, lines))


def test_a_tryton_that_is_not_there_is_down(tmp_path: Path) -> None:
    """Nothing listens on port 9."""
    toml = 'type = "tryton"\nurl = "http://127.0.0.1:9"\ndatabase = "d"\nusername = "u"\npassword = { env = "P" }'
    with pytest.raises(SourceDown, match="refused"):
        next(iter(source_of(tmp_path, toml, P="x").pages(None, in_turn)))


def test_check_says_what_answered(tryton: Tryton, tmp_path: Path) -> None:
    """With the first product's id."""
    products = tryton.add(1)
    assert f"1 products on its first page; the first is '{products[0]}'" in source(tmp_path, tryton).check()
