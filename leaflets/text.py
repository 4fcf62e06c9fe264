"""Bytes of whatever ERP to text that can be read: the right letters, no markup, nothing invisible.

    body -> decode -> text (plain, HTML or RTF, by what it is, not by what it is called) -> clean

PDFs are not here: their text comes from elsewhere, as pages separated by form feeds, and is only cleaned.
"""

from __future__ import annotations

import codecs
import html
import re
import unicodedata
from collections import Counter
from typing import Final

import ftfy
from ftfy.badness import is_bad
from selectolax.lexbor import LexborHTMLParser, LexborNode
from striprtf.striprtf import rtf_to_text

from leaflets.leaflet import Content


class Undecodable(ValueError):
    """These bytes are no text: keep the record as rejected, with this reason, until someone mends it in the ERP."""


def text_of(content: Content) -> str:
    """The clean text of a plain, HTML or RTF content; raises Undecodable, in words for the person who mends the ERP."""
    raw = decode(content.body, content.charset)
    start = raw.lstrip("\ufeff \t\r\n")[:2_000]
    if start.startswith("%PDF-"):
        raise Undecodable(f"the content is a PDF sent as {content.media_type}; send it as application/pdf")
    if start.startswith("{\\rtf"):
        found = _rtf(raw)
    elif _BEGINS_WITH_A_TAG.match(start) or _MARKED_UP.search(raw):
        found = _html(raw)
    else:
        found = html.unescape(raw) if content.media_type == "text/html" else raw
    cleaned = clean(found)
    if not cleaned:
        raise Undecodable(f"there is no text in the {len(content.body)} bytes sent as {content.media_type}")
    return cleaned


def decode(body: bytes, charset: str | None) -> str:
    """The characters of `body`: strict UTF-8, else the declared charset, else cp1252; double-encoded text is mended.

    No guessing beyond that: guessers were wrong on 9 of 9 Portuguese texts in older encodings. Raises Undecodable where characters
    were lost before or are lost here, and where there is no text.
    """
    if not body.strip():
        raise Undecodable("the content is empty")
    text = unicodedata.normalize("NFC", _mended(_characters(body, charset)))
    lost = text.count("\ufffd")
    if lost:
        raise Undecodable(f"{lost} of {len(text)} characters are lost (U+FFFD); send the text as UTF-8, or declare its charset")
    if len(_BINARY.findall(text)) * 100 > len(text):
        raise Undecodable(f"the {len(body)} bytes are binary, not text; send plain text, HTML, RTF or a PDF")
    return text


# The encodings of text that an ERP may declare; Python has others, some of them no charsets and some slow on hostile bytes.
_CHARSETS = ("ascii", "cp", "iso8859", "mac", "utf-16", "utf-32", "utf-8")
_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}


def _characters(body: bytes, charset: str | None) -> str:
    marked = next((name for mark, name in _MARKS.items() if body.startswith(mark)), None)
    declared = _python_name(charset)
    for name in (marked, "utf-8", declared):
        try:
            # UTF-16 without a mark is good UTF-8 too, full of NULs.
            if name and "\0" not in (text := body.decode(name)):
                return text
        except UnicodeDecodeError:
            continue
    return body.decode("cp1252", errors="replace")


def _python_name(charset: str | None) -> str | None:
    try:
        name = codecs.lookup((charset or "").strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    # Who says ISO-8859-1 means cp1252 (as browsers take it): the bytes between are quotes and dashes, not controls.
    return None if name == "iso8859-1" or not name.startswith(_CHARSETS) else name


# UTF-8 read as cp1252 and encoded again: "Ã§" for "ç", "â€“" for "–".
_TWICE = re.compile("[ÃÂ][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u2026\u2030\u20ac]|â€")
# Control characters that no text holds; form feeds separate pages and stray 0x02 and 0x03 come with PDFs.
_BINARY = re.compile("[\0-\b\x0e-\x1f]")


def _mended(text: str) -> str:
    return ftfy.fix_encoding(text) if _TWICE.search(text) and is_bad(text) else text


# --- invisible and misplaced characters ---------------------------------------------------------------------------------------------

# The Symbol font's characters where a PDF or Word document gives them as U+F0xx (Symbol's own table; the bullets are Wingdings).
# A dropped "≤", "µ" or digit would change a dose.
_SYMBOL_LETTERS = dict(zip("abcdefghijklmnopqrstuvwxyzDFGLPQSUWXY", "αβχδεφγηιϕκλμνοπθρστυϖωξψζΔΦΓΛΠΘΣΥΩΞΨ", strict=True))
_SYMBOL_SIGNS = {
    **dict.fromkeys((0xA7, 0xA8, 0xB7, 0xD8, 0xFC, 0x9F, 0xFE), "•"),
    **dict.fromkeys((0xD2, 0xE2), "®"),
    **dict.fromkeys((0xD3, 0xE3), "©"),
    **dict.fromkeys((0xD4, 0xE4), "™"),
    **dict.fromkeys((0xAE, 0xE0, 0xF0), "→"),
    **dict.fromkeys((0xAC, 0xDF), "←"),
    **dict(zip(b"\xa3\xa5\xab\xad\xaf\xb0\xb1\xb3\xb4\xb8\xb9\xba\xbb\xbc\xdb", "≤∞↔↑↓°±≥×÷≠≡≈…⇔", strict=True)),
}


def _characters_to_change() -> dict[int, str]:
    """What `clean` makes of single characters; those missing stay as they are."""
    change = dict.fromkeys((*range(0xE000, 0xF900), *range(0xD800, 0xE000)), "")
    change |= dict.fromkeys((*range(0x20), 0x7F, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), " ")
    # Bytes of cp1252 taken for Latin-1.
    change |= {c: bytes([c]).decode("cp1252", errors="ignore") for c in range(0x80, 0xA0)}
    change |= dict.fromkeys((0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF, 0xFFFE, 0xFFFF), "")
    change |= {0xF000 + c: _SYMBOL_LETTERS.get(chr(c), chr(c)) for c in range(0x20, 0x7F)}
    change |= {0xF000 + c: sign for c, sign in _SYMBOL_SIGNS.items()}
    # The registered and arrow signs of two foundries' fonts.
    change |= {0xF6DA: "®", 0xF8E8: "®", 0xF8E7: "•"}
    change |= {0x2010: "-", 0x2011: "-", 0x2044: "/", 0x02DA: "°", 0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl"}
    for kept in "\n\f":
        del change[ord(kept)]
    return change | dict.fromkeys((0x0B, 0x2028, 0x2029), "\n")


_CHANGE: Final = _characters_to_change()
_UNUSUAL = re.compile("[" + "".join(re.escape(chr(c)) for c in _CHANGE) + "\U000f0000-\U0010ffff]")
# PDFium gives 0x02 (or U+FFFE) for a hyphen that ended a line, and joins the two lines.
_PDFIUM_HYPHEN = re.compile("(?<=\\w)[\x02\ufffe](?=\\w)")
_BROKEN_SOFTLY = re.compile("\u00ad[ \t]*\n[ \t]*")
_BLANKS = re.compile(" {2,}")
_MANY_LINES = re.compile("\n{4,}")


def clean(text: str) -> str:
    """The text without what cannot be seen: NFC, plain spaces and ends of line, no control or private-use characters.

    Form feeds stay: they are where a page ends. Cleaning twice changes nothing.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x02" in text or "\ufffe" in text:
        text = _PDFIUM_HYPHEN.sub("-\n", text)
    text = _UNUSUAL.sub(lambda c: _CHANGE.get(ord(c[0]), ""), _BROKEN_SOFTLY.sub("", text))
    text = _BLANKS.sub(" ", text).replace(" \f", "\f").replace("\f ", "\f")
    text = "\n".join([line.strip(" ") for line in text.split("\n")])
    return unicodedata.normalize("NFC", _MANY_LINES.sub("\n\n\n", text)).strip(" \n\f")


_BARE: Final = {
    chr(c): letter for c in range(0x80, 0x250) if len(letter := unicodedata.normalize("NFD", chr(c))[0]) == 1 and letter != chr(c)
} | {"–": "-", "—": "-", "−": "-", "“": '"', "”": '"', "‘": "'", "’": "'", "ª": "a", "º": "o"}
_NOT_BARE = re.compile("[" + "".join(_BARE) + "]")


def bare(text: str) -> str:
    """Lower case without accents, character for character, so that a place found in it is the same place in the text."""
    # The one letter that grows in lower case, "İ", is bare by then.
    return _NOT_BARE.sub(lambda c: _BARE[c[0]], text).lower()


# --- markup -------------------------------------------------------------------------------------------------------------------------

_BEGINS_WITH_A_TAG = re.compile(r"\s*<(?:!doctype\s+html|!--|/?[a-z][a-z0-9]{0,10}(?:\s[^<>]*)?/?>)", re.IGNORECASE)
_BLOCKS = """address article aside blockquote body br caption center dd details div dl dt fieldset figcaption figure footer form h1 h2
h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody tfoot thead tr ul"""
_BLOCK = re.compile(rf"</?({'|'.join(sorted(_BLOCKS.split(), key=len, reverse=True))})(?=[\s/>])", re.IGNORECASE)
_MARKED_UP = re.compile(r"</(?:p|div|span|font|b|strong|i|em|u|h[1-6]|ul|ol|li|table|tr|td)\s*>|<br\s*/?>|<p>", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
# Closed by what follows them or never closed at all, so that they nest nothing.
_CLOSED_BY_THEMSELVES = frozenset(
    """area base br col colgroup dd dt embed hr img input li link meta option p param rb rp rt source tbody td tfoot th thead tr track
    wbr""".split()
)
# Word's own HTML nests about 30 deep; the parser's time grows with the square of the depth (200,000 took 43 s).
_DEEPEST = 200
_SPACES = re.compile("[ \t\r\n]+")
_AROUND_LINES = re.compile(" *\f *")


def _html(markup: str) -> str:
    """The text of HTML as it is laid out: a line a block, a bullet a list item, a line "a | b" a table row."""
    deepest = _depth(markup)
    if deepest > _DEEPEST:
        raise Undecodable(f"the HTML nests {deepest} elements deep, at most {_DEEPEST} are read; send it without its layout")
    if not _BLOCK.search(markup):
        # Lines of plain text with a few words in bold.
        markup = markup.replace("\n", "<br>")
    # A form feed is HTML's white space: it stays where it is put, also between rows, and no browser shows one.
    marked = _BLOCK.sub(lambda tag: ("\f• " if tag[0].lower() == "<li" else "\f") + tag[0], markup.replace("\f", " "))
    tree = LexborHTMLParser(marked)
    if tree.body is None:
        return ""
    tree.strip_tags(["script", "style", "template", "noscript", "head", "title"])
    for block in tree.css("pre"):
        block.replace_with("\f".join(block.text().split("\n")))
    for row in reversed(tree.css("tr")):
        row.replace_with(f"\f{_row(row)}\f")
    return _AROUND_LINES.sub("\n", _SPACES.sub(" ", tree.body.text()))


def _row(row: LexborNode) -> str:
    cells = [" ".join(cell.text().replace("• ", "").split()) for cell in row.iter()]
    return " | ".join(cells) if any(cells) else ""


def _depth(markup: str) -> int:
    deepest = depth = 0
    left_open: Counter[str] = Counter()
    for closing, tag in _TAG.findall(markup):
        name = tag.lower()
        if name in _CLOSED_BY_THEMSELVES or (closing and not left_open[name]):
            continue
        step = -1 if closing else 1
        left_open[name] += step
        depth += step
        deepest = max(deepest, depth)
    return deepest


def _rtf(markup: str) -> str:
    try:
        text: str = rtf_to_text(markup)  # type: ignore[no-untyped-call]  # striprtf has no types
        # A character beyond U+FFFF comes as its two halves.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", errors="replace")
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise Undecodable(f"the RTF cannot be read ({error}); save it again in Word, or send plain text") from error
    return whole.replace("|", " | ")
