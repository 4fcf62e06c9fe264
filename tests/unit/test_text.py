"""Bytes to text: the right letters, no markup, nothing invisible."""

from __future__ import annotations

import unicodedata
import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaflets import Content
from leaflets.text import Undecodable, bare, clean, decode, text_of

SENTENCE = "INDICAÇÕES: não tome à noite – até 2 cápsulas"


def plain(text: str) -> str:
    """The text of a content called plain."""
    return text_of(Content(text.encode(), "text/plain"))


def html(markup: str) -> str:
    """The text of a content called HTML."""
    return text_of(Content(markup.encode(), "text/html"))


def rtf(markup: str) -> str:
    """The text of a content called RTF."""
    return text_of(Content(markup.encode("cp1252"), "application/rtf"))


@pytest.mark.parametrize(
    ("body", "charset"),
    [
        (SENTENCE.encode(), None),
        (SENTENCE.encode("utf-8-sig"), None),
        (SENTENCE.encode("cp1252"), None),
        (SENTENCE.encode("cp1252"), "cp1252"),
        (SENTENCE.encode("cp1252"), "iso-8859-1"),
        (SENTENCE.encode("cp1252"), "utf-8"),
        (SENTENCE.encode("cp1252"), '"windows-1252"'),
        (SENTENCE.encode("cp1252"), "no such charset"),
        (SENTENCE.encode(), "iso-8859-1"),
        (SENTENCE.encode("utf-16"), None),
        (SENTENCE.encode("utf-16-le"), "utf-16-le"),
        (unicodedata.normalize("NFD", SENTENCE).encode(), None),
    ],
)
def test_letters_survive_whatever_the_sender_declares(body: bytes, charset: str | None) -> None:
    """Strict UTF-8 first, then what was declared, then cp1252: ERPs lie about their charset, and none may cost an accent."""
    assert decode(body, charset) == SENTENCE


def test_a_declared_charset_is_used_before_cp1252() -> None:
    """An old DOS ERP that says so is believed."""
    assert decode("INDICAÇÕES: não".encode("cp850"), "cp850") == "INDICAÇÕES: não"


def test_text_encoded_twice_is_mended() -> None:
    """UTF-8 that an ERP took for cp1252 and encoded again."""
    twice = "Indicações: não há contraindicação – até 30 ºC".encode().decode("cp1252").encode()
    assert decode(twice, None) == "Indicações: não há contraindicação – até 30 ºC"


@pytest.mark.parametrize("right", ["NÃO TOME. MANHÃ “cedo”", "CORAÇÃO: 15 ºC a 30 ºC", "Ângela, 5 mg"])
def test_right_text_is_never_mended(right: str) -> None:
    """Capitals with a tilde look like text encoded twice, and are not."""
    assert decode(right.encode(), None) == right


def test_lost_characters_are_refused_and_counted() -> None:
    """What an ERP wrote as U+FFFD cannot be read back: a person must see it, not a patient."""
    with pytest.raises(Undecodable, match="2 of 12 characters are lost"):
        decode("INDICA\ufffd\ufffdO: x".encode(), None)
    with pytest.raises(Undecodable, match="declare its charset"):
        decode(b"INDICA\x81\x8dO", None)


@pytest.mark.parametrize("body", [b"", b" \r\n ", "\ufeff".encode(), "\u200b\u00a0".encode()])
def test_nothing_is_refused(body: bytes) -> None:
    """An empty field is no leaflet."""
    with pytest.raises(Undecodable, match=r"empty|no text"):
        text_of(Content(body, "text/plain"))


def test_binary_is_refused() -> None:
    """A Word document in a text field."""
    word = BytesIO()
    with zipfile.ZipFile(word, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("document.xml", bytes(range(256)) * 20)
    with pytest.raises(Undecodable, match=r"binary|lost"):
        text_of(Content(word.getvalue(), "text/plain"))


def test_a_pdf_called_text_is_refused_with_what_to_do() -> None:
    """PDFs are read elsewhere."""
    with pytest.raises(Undecodable, match="send it as application/pdf"):
        plain("%PDF-1.7 ...")


def test_html_is_laid_out_as_lines() -> None:
    """A line a block, a bullet a list item, a row a line, and neither script nor style nor title."""
    told = html(
        "<html><head><title>T</title><style>p{}</style></head><body><h2>1. INDICAÇÕES</h2>"
        "<p>Para <b>dor</b>&nbsp;e\nfebre &#8804; 39&deg;.</p>"
        "solto<br>quebrado<ul><li>um<li>dois</ul><script>x()</script>"
        "<table><tr><td><p>Dose</p></td><td>Idade</td></tr><tr><th>5 mg</th><td></td></tr></table></body></html>"
    )
    assert [line for line in told.split("\n") if line] == [
        "1. INDICAÇÕES",
        "Para dor e febre ≤ 39°.",
        "solto",
        "quebrado",
        "• um",
        "• dois",
        "Dose | Idade",
        "5 mg |",
    ]


def test_html_called_plain_text_is_read_as_html() -> None:
    """The content says what it is, not its name."""
    assert plain("<div>Dor</div><div>e febre</div>").split() == ["Dor", "e", "febre"]
    assert plain("Dor<br/>e <b>febre</b>") == "Dor\ne febre"


def test_plain_text_called_html_keeps_its_lines() -> None:
    """Without its lines no heading could be found."""
    assert html("INDICA&Ccedil;&Otilde;ES\nDor") == "INDICAÇÕES\nDor"
    assert html("<b>INDICAÇÕES</b>\nDor") == "INDICAÇÕES\nDor"


@pytest.mark.parametrize("sign", ["febre < 39 e > 37", "a <- b", "x<y>z sem fim"])
def test_signs_of_comparison_are_no_markup(sign: str) -> None:
    """Only tags are tags."""
    assert plain(f"Tome com {sign}") == f"Tome com {sign}"


@pytest.mark.parametrize("tag", ["<div>", "<b a='1'>", "<table><tr><td>", "</q><div>"])
def test_html_nested_without_end_is_refused_before_it_is_parsed(tag: str) -> None:
    """A parser's time grows with the square of the depth."""
    with pytest.raises(Undecodable, match="deep"):
        html(tag * 50_000 + "x")


def test_paragraphs_that_nobody_closed_are_no_depth() -> None:
    """Old HTML closes neither paragraphs nor list items."""
    assert len(html("<p>linha" * 5_000).split()) == 5_000


def test_a_nested_table_loses_no_word() -> None:
    """Layout tables hold others."""
    told = html("<table><tr><td>fora<table><tr><td>dentro</td><td>ao lado</td></tr></table></td><td>fim</td></tr></table>")
    assert sorted(told.replace("|", " ").split()) == sorted("fora dentro ao lado fim".split())


RTF = (
    r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}\f0 INDICA\'c7\'d5ES\par n\'e3o tome \b mais\b0  de \u8804? 5 mg\par a\cell b\row}"
)


@pytest.mark.parametrize("media_type", ["application/rtf", "text/plain", "text/html"])
def test_rtf_is_read_whatever_it_is_called(media_type: str) -> None:
    """Word's own escapes of cp1252 and of Unicode."""
    assert text_of(Content(RTF.encode(), media_type)) == "INDICAÇÕES\nnão tome mais de ≤ 5 mg\na | b"


def test_a_character_in_two_halves_is_put_together() -> None:
    """RTF writes characters beyond U+FFFF as two."""
    assert rtf(r"{\rtf1 a\u-10179?\u-8704?b}") == "a😀b"


@pytest.mark.parametrize("broken", [r"{\rtf1\ansicpg99999 \'ff", r"{\rtf1 \u99999999999?}", r"{\rtf1 \u"])
def test_broken_rtf_gives_text_or_a_reason(broken: str) -> None:
    """Never an error of the library's own."""
    try:
        told = rtf(broken)
    except Undecodable:
        return
    assert told


def test_characters_of_symbol_fonts_become_what_they_show() -> None:
    """A lost "≥", "µ" or digit would be another dose."""
    assert (
        clean("dose \uf0b3 15 \uf06dg, 25 \uf0b0C, \uf035\uf035 %, TNF-\uf061, Marca\uf0e2") == "dose ≥ 15 μg, 25 °C, 55 %, TNF-α, Marca®"
    )
    assert clean("\uf0b7 item \ue000\ue001fim") == "• item fim"


def test_what_cannot_be_seen_goes() -> None:
    """Blanks of all widths are blanks; soft hyphens, marks of direction and controls are nothing."""
    assert clean("\ufeffum\u00a0dois\u2003tr\u00ads\u200b \x03quatro\r\ncinco\u2028seis") == "um dois trs quatro\ncinco\nseis"


def test_a_soft_hyphen_at_the_end_of_a_line_joins_the_word() -> None:
    """It was put there to break the word."""
    assert clean("estearato de mag\u00ad\nnésio") == "estearato de magnésio"


def test_pdfiums_mark_for_a_hyphen_is_a_hyphen_at_the_end_of_a_line() -> None:
    """Whether it belongs to the word is decided where the whole text is known."""
    assert clean("anti\x02inflamatório") == "anti-\ninflamatório"


def test_pages_stay_apart() -> None:
    """A form feed is where a page ends; headers are found by it."""
    assert clean("um \f dois") == "um\fdois"


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """So a text that is kept and read again is the same."""
    once = clean(text)
    assert clean(once) == once
    assert once == unicodedata.normalize("NFC", once)
    assert not [c for c in once if unicodedata.category(c) in {"Cc", "Co", "Cs"} and c not in "\n\f"]


@given(st.text())
def test_bare_text_has_the_places_of_the_text(text: str) -> None:
    """A heading found in it is cut from the text at the same place."""
    assert len(bare(text)) == len(text)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.text("<>/pbtrd lix&;\n").map(str.encode)
    | st.text("{}\\rtfu'1e3 \n").map(lambda t: f"{{\\rtf{t}".encode()),
    st.none() | st.text() | st.sampled_from(["utf-7", "punycode", "base64", "utf-16", "cp037", "unicode_escape"]),
    st.sampled_from(["text/plain", "text/html", "application/rtf"]),
)
def test_no_bytes_raise_anything_but_undecodable(body: bytes, charset: str | None, media_type: str) -> None:
    """One ERP's rubbish must not stop a sync; and what is given has no markup's invisible rest."""
    try:
        told = text_of(Content(body, media_type, charset))
    except Undecodable:
        return
    assert told == clean(told) != ""
