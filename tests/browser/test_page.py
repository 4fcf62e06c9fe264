"""The SAC page in a real browser, on real servers with the demonstration's leaflets."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, ViewportSize, expect

PHONE: ViewportSize = {"width": 375, "height": 812}
# A screen of 1280x720 at 200 %.
ZOOMED: ViewportSize = {"width": 640, "height": 360}
COMPARED = "/compare?a=matriz:001101:patient&b=filial:A01101:patient"

# Every text's contrast with the ground it stands on, as WCAG 2 counts it; gives those below what AA asks of their size.
FAINT = """() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest("script, template") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [dark, bright] = [light(style.color), light(ground(element))].sort((a, b) => a - b);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if ((bright + 0.05) / (dark + 0.05) < (large ? 3 : 4.5)) faint.push(texts.currentNode.data.trim());
  }
  return faint;
}"""


def box(page: Page) -> Locator:
    """The one box."""
    return page.get_by_role("searchbox")


def result(page: Page, number: int) -> Locator:
    """A result, counted from 0."""
    return page.locator(".result").nth(number)


def ask(page: Page, desk_url: str, question: str) -> None:
    """Types a question as a person does, and presses nothing else."""
    page.goto(desk_url)
    box(page).press_sequentially(question)


def on_a_phone(browser: Browser) -> Page:
    """An empty tab on a small phone."""
    return browser.new_context(viewport=PHONE, is_mobile=True, has_touch=True, locale="pt-BR").new_page()


def test_the_answer_stands_there_when_the_attendant_stops_typing(page: Page, desk_url: str) -> None:
    """No key but the question's own: the first result is the drug asked for, with the words asked for marked."""
    ask(page, desk_url, "dipirona em crianca")
    expect(result(page, 0).get_by_role("heading", level=2)).to_contain_text("Dipirona")
    expect(result(page, 0).locator("mark").first).to_have_text(re.compile("crian", re.IGNORECASE))
    expect(page.locator(".meaning")).to_contain_text("Entendi: dipirona (princípio ativo)")
    expect(page.locator(".meaning")).to_contain_text("seção Posologia e modo de usar")
    expect(page).to_have_url(f"{desk_url}/?q=dipirona+em+crianca")


def test_a_screen_reader_is_told_how_many_results_there_are(page: Page, desk_url: str) -> None:
    """The count is announced without the focus leaving the box."""
    ask(page, desk_url, "dipirona em crianca")
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^\d+ bulas?\. Primeira: Dipirona"))
    expect(box(page)).to_be_focused()


def test_the_whole_journey_needs_no_mouse(page: Page, desk_url: str) -> None:
    """From the question to the leaflet, back to the same result, and on to the next question, by keys alone."""
    page.goto(desk_url)
    expect(box(page)).to_be_focused()
    page.keyboard.type("dipirona em crianca")
    expect(result(page, 1)).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(result(page, 0).get_by_role("link").first).to_be_focused()
    page.keyboard.press("ArrowDown")
    second = result(page, 1).get_by_role("link").first
    expect(second).to_be_focused()
    name = second.inner_text()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.go_back()
    expect(result(page, 1).get_by_role("link").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(box(page)).to_be_focused()
    page.keyboard.press("Escape")
    expect(box(page)).to_have_value("")
    expect(page.locator(".examples")).to_be_visible()
    expect(page).to_have_url(f"{desk_url}/")


@pytest.mark.parametrize("key", ["/", "Control+k"])
def test_a_key_leads_to_the_box_from_anywhere(page: Page, desk_url: str, key: str) -> None:
    """The next question can be typed over the last one, also far down a leaflet; "/" in the box is a letter like others."""
    page.goto(f"{desk_url}/?q=dipirona")
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".leaflet")).to_be_visible()
    page.wait_for_load_state()  # the page listens once its script has run
    page.keyboard.press(key)
    expect(box(page)).to_be_focused()
    page.keyboard.type("50 mg/ml")
    expect(box(page)).to_have_value("50 mg/ml")


def test_enter_leads_to_the_first_result_without_leaving_the_answers(page: Page, desk_url: str) -> None:
    """Enter pressed by habit must not lose the passages that were found."""
    ask(page, desk_url, "dipirona em crianca")
    page.keyboard.press("Enter")
    expect(result(page, 0).get_by_role("link").first).to_be_focused()
    expect(page).to_have_url(f"{desk_url}/?q=dipirona+em+crianca")


def test_a_misspelt_drug_is_asked_back_and_one_click_corrects_it(page: Page, desk_url: str) -> None:
    """A misspelling shows names to choose from and nothing of any drug until one is chosen."""
    ask(page, desk_url, "siprofloxassino")
    expect(page.get_by_role("heading", name="Você quis dizer")).to_be_visible()
    expect(page.locator(".result")).to_have_count(0)
    page.locator(".suggestions a", has_text=re.compile("ciprofloxacino", re.IGNORECASE)).first.click()
    expect(result(page, 0).get_by_role("heading", level=2)).to_contain_text(re.compile("ciprofloxacino", re.IGNORECASE))


def test_a_name_is_chosen_by_its_number(page: Page, desk_url: str) -> None:
    """Enter leads from the box to the names, a digit asks one; in the box a digit is part of a dose."""
    ask(page, desk_url, "siprofloxassino")
    first = page.locator(".suggestions a").first
    expect(first).to_contain_text("soa parecido")
    page.keyboard.press("1")
    expect(box(page)).to_have_value("siprofloxassino1")
    page.keyboard.press("Backspace")
    expect(first).to_be_visible()
    page.keyboard.press("Enter")
    expect(first).to_be_focused()
    page.keyboard.press("1")
    expect(box(page)).to_have_value("ciprofloxacino")
    expect(result(page, 0).get_by_role("heading", level=2)).to_contain_text(re.compile("ciprofloxacino", re.IGNORECASE))


def test_a_doubt_beside_results_does_not_push_the_answer_down(page: Page, browser: Browser, desk_url: str) -> None:
    """Where the drug is known and another word may be a broken name, the choice stands aside, one click away."""
    for screen in (page, on_a_phone(browser)):
        screen.goto(f"{desk_url}/?q=dipirona+com+alcool")
        place = result(screen, 0).bounding_box()
        screen.goto(f"{desk_url}/?q=dipirona+com+zolpidemm")
        expect(screen.locator(".doubts")).to_contain_text("zolpidem")
        moved = result(screen, 0).bounding_box()
        assert place
        assert moved
        assert moved["y"] <= place["y"] + 2
        screen.locator(".doubts").get_by_role("link").click()
        expect(box(screen)).to_have_value("dipirona com zolpidem")


def test_a_name_like_another_comes_with_a_warning(page: Page, desk_url: str) -> None:
    """The letters that tell the two names apart stand out in capitals, weight and colour, and why the names are alike is told."""
    ask(page, desk_url, "hidroxizina")
    warning = page.locator(".alike")
    expect(warning).to_contain_text("não confundir com")
    expect(warning).to_contain_text("hidrALAzina pela grafia")
    letters = warning.locator("b").first
    expect(letters).to_have_text("ALA")
    colour = "element => getComputedStyle(element).color"
    assert letters.evaluate(colour) != warning.evaluate(colour)
    assert int(letters.evaluate("element => getComputedStyle(element).fontWeight")) >= 700


def test_a_registration_that_no_longer_stands_cannot_be_missed(page: Page, desk_url: str) -> None:
    """On the result, on its leaflet and on paper; what the product was registered as stands beside it."""
    ask(page, desk_url, "cefalotina posologia")
    expect(result(page, 0).locator(".badge.inactive")).to_have_text("Registro inativo na ANVISA")
    expect(result(page, 0).locator(".badge.category")).to_have_text("Genérico")
    page.emulate_media(media="print")
    expect(result(page, 0).locator(".badge.inactive")).to_have_css("color", "rgb(0, 0, 0)")
    page.emulate_media(media="screen")
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".about .badge.inactive")).to_be_visible()
    page.goto(f"{desk_url}/?q=dipirona")
    expect(result(page, 0)).to_be_visible()
    expect(page.locator(".badge.inactive")).to_have_count(0)


def test_what_was_understood_is_told(page: Page, desk_url: str) -> None:
    """The drug, the form, the laboratory and the section: an attendant sees at once what was taken for what."""
    ask(page, desk_url, "losartana cpr buriti posologia")
    told = "Entendi: losartana (princípio ativo) comprimido Buriti Genéricos Demo seção Posologia e modo de usar"
    expect(page.locator(".meaning")).to_contain_text(told)
    expect(page.locator(".notice.laboratory")).to_have_count(0)


def test_a_leaflet_of_another_laboratory_is_not_taken_for_the_one_asked_for(page: Page, desk_url: str) -> None:
    """The excipients differ: where the laboratory asked for has no leaflet of the drug, that is said above the others'."""
    ask(page, desk_url, "hidroxizina jatoba")
    notice = page.locator(".notice.laboratory")
    expect(notice).to_contain_text("entendi Farmacêutica Jatobá (demonstração), mas a primeira bula é de Cajueiro Saúde Demo")


def test_what_a_leaflet_does_not_state_is_said_before_its_text(page: Page, desk_url: str) -> None:
    """The section asked for is shown below it: silence must not read as a no."""
    ask(page, desk_url, "dipirona lactose composicao")
    silence = result(page, 0).locator(".not-stated")
    expect(silence).to_contain_text("A bula não informa sobre «lactose» em «Composição».")
    expect(silence).to_contain_text("Não ler como «não»: confirme com o farmacêutico ou o fabricante.")
    told = silence.bounding_box()
    passage = result(page, 0).locator(".passage").first.bounding_box()
    assert told
    assert passage
    assert told["y"] + told["height"] <= passage["y"]
    expect(page.get_by_role("status")).to_contain_text("A bula não informa sobre lactose")


def test_two_tellings_of_one_product_are_compared(page: Page, desk_url: str) -> None:
    """From the result that says where they differ to both side by side, the words that only one has marked, and back."""
    page.goto(f"{desk_url}/?q=dipirona&audience=patient")
    told = result(page, 0).locator(".also")
    expect(told).to_contain_text("filial")
    expect(told).to_contain_text("difere em Posologia e modo de usar")
    told.get_by_role("link", name="Comparar").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dipirona Monoidratada: matriz e filial")
    differing = page.locator("section#posology .side")
    expect(differing).to_have_count(2)
    expect(differing.nth(0).locator("mark").first).to_be_visible()
    expect(differing.nth(1).locator("mark").first).to_be_visible()
    assert len({place["y"] for side in differing.all() if (place := side.bounding_box())}) == 1
    expect(page.locator("details")).to_contain_text("iguais nas duas")
    page.get_by_role("link", name="Resultados de").click()
    expect(result(page, 0)).to_be_visible()


def test_a_comparison_with_a_withdrawn_leaflet_is_a_page_too(browser: Browser, desk_url: str) -> None:
    """It says that the leaflet is not there, and leads back."""
    page = browser.new_page()
    for address, status in (("a=matriz:001101:patient&b=nowhere:1:patient", 404), ("a=matriz:001101:patient", 400)):
        answer = page.goto(f"{desk_url}/compare?{address}")
        assert answer
        assert answer.status == status
        expect(page.get_by_role("link", name="Voltar à busca")).to_be_visible()


def test_where_nothing_is_found_a_smaller_question_is_one_click_away(page: Page, desk_url: str) -> None:
    """It says what it leaves out and how many leaflets it finds."""
    ask(page, desk_url, "gravidez sarampo hipopotamo")
    smaller = page.locator(".instead a").first
    expect(smaller).to_contain_text(re.compile("Sem a palavra «hipopotamo» há [1-9]"))
    expect(page.locator(".nothing")).to_contain_text("Como perguntar")
    smaller.click()
    expect(box(page)).to_have_value("gravidez sarampo")
    expect(result(page, 0)).to_be_visible()


def test_markup_in_a_question_is_text(page: Page, desk_url: str) -> None:
    """A question is shown as it was written, and nothing in it is run, typed or followed as a link."""
    written = "dipirona <script>alert(1)</script><img src=x onerror=alert(1)>"
    alerts: list[str] = []
    page.on("dialog", lambda dialog: alerts.append(dialog.message))
    ask(page, desk_url, written)
    expect(result(page, 0).locator(".not-stated")).to_contain_text("«script»")
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".back")).to_contain_text(written)
    assert page.locator("main script, main img").count() == 0
    assert alerts == []


def test_the_page_works_without_javascript(browser: Browser, desk_url: str) -> None:
    """Question, choice of a name, leaflet: each is a form or a link."""
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(desk_url)
    box(page).fill("siprofloxassino")
    box(page).press("Enter")
    page.locator(".suggestions a", has_text=re.compile("ciprofloxacino", re.IGNORECASE)).first.click()
    expect(result(page, 0)).to_contain_text(re.compile("ciprofloxacino", re.IGNORECASE))
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".leaflet section").first).to_be_visible()


def test_the_leaflet_opens_at_the_section_asked_for(page: Page, desk_url: str) -> None:
    """The section's heading is in sight below the box, the words asked for are marked, and the index knows the way on."""
    ask(page, desk_url, "dipirona em crianca")
    result(page, 0).locator("h3").first.get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/leaflets/.+\?q=dipirona\+em\+crianca#posology$"))
    heading = page.locator("#posology h2")
    expect(heading).to_be_in_viewport(ratio=1)
    covered = page.locator(".top").bounding_box()
    place = heading.bounding_box()
    assert covered
    assert place
    assert place["y"] >= covered["y"] + covered["height"]
    expect(page.locator("#posology mark").first).to_be_visible()
    page.get_by_role("navigation", name="Seções da bula").get_by_role("link", name="Reações adversas").click()
    expect(page.locator("#adverse_reactions h2")).to_be_in_viewport(ratio=1)


def test_a_leaflet_that_is_not_there_says_so_and_leads_back(browser: Browser, desk_url: str) -> None:
    """An old link to a withdrawn leaflet ends on a page that can be read."""
    page = browser.new_page()
    answer = page.goto(f"{desk_url}/leaflets/nowhere:1:patient")
    assert answer
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_contain_text("Não encontrei")
    page.get_by_role("link", name="Voltar à busca").click()
    expect(page.locator(".examples")).to_be_visible()


def test_a_filter_narrows_the_answer_and_can_be_taken_off(page: Page, desk_url: str) -> None:
    """A chosen filter is seen, holds for the next question and goes with one click."""
    page.goto(f"{desk_url}/?q=dipirona")
    page.get_by_role("navigation", name="Filtros").get_by_role("link", name="Profissional").click()
    expect(page).to_have_url(f"{desk_url}/?q=dipirona&audience=professional")
    expect(page.locator(".badge", has_text="Paciente")).to_have_count(0)
    box(page).fill("ibuprofeno")
    expect(result(page, 0).get_by_role("heading", level=2)).to_contain_text("Ibuprofeno")
    expect(result(page, 0).locator(".badge").first).to_have_text("Profissional")
    page.get_by_role("link", name="Remover filtro: Profissional").click()
    expect(page).to_have_url(f"{desk_url}/?q=ibuprofeno")


def test_escape_takes_the_last_callers_filters_too(page: Page, desk_url: str) -> None:
    """A filter chosen for one caller must not hide leaflets from the next."""
    page.goto(f"{desk_url}/?q=dipirona&audience=professional")
    page.keyboard.press("Escape")
    page.keyboard.type("dipirona")
    expect(page).to_have_url(f"{desk_url}/?q=dipirona")
    expect(page.locator(".badge", has_text="Paciente").first).to_be_visible()


def test_a_question_typed_over_is_given_up(page: Page, desk_url: str) -> None:
    """An answer under way is dropped when typing goes on, so that it can never stand under another question."""
    older = re.compile(r"q=dipirona&fragment=1$")
    page.route(older, lambda _: None)  # never answered: as slow as can be
    with page.expect_request(older) as asked:
        ask(page, desk_url, "dipirona")
    with page.expect_event("requestfailed", lambda failed: failed == asked.value):
        box(page).fill("losartana")
    expect(result(page, 0).get_by_role("heading", level=2)).to_contain_text("Losartana")


def test_an_old_answer_does_not_stand_under_a_question_that_failed(browser: Browser, desk_url: str) -> None:
    """Where the server cannot be reached the page says so, shows no other question's text, and goes on when it can."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{desk_url}/?q=dipirona")
    context.set_offline(True)
    box(page).fill("losartana")
    expect(page.locator("#answer")).to_contain_text("A busca não respondeu")
    expect(page.locator(".result")).to_have_count(0)
    context.set_offline(False)
    page.get_by_role("button", name="Tentar agora").click()
    expect(result(page, 0).get_by_role("heading", level=2)).to_contain_text("Losartana")


def test_silence_is_not_shown_as_safety(page: Page, desk_url: str) -> None:
    """Where nothing is found the page says what that does not mean."""
    ask(page, desk_url, "xyzzyq plughw")
    expect(page.locator(".nothing")).to_contain_text("Não encontrar não quer dizer que o uso seja seguro")


def test_a_number_that_no_source_holds_is_said_to_be_unknown(page: Page, desk_url: str) -> None:
    """A registration is understood as one; that no leaflet has it is said, with what to do."""
    ask(page, desk_url, "1.9999.9999")
    expect(page.locator(".nothing")).to_contain_text("Nenhuma fonte tem bula com o número 1.9999.9999")
    expect(page.locator(".nothing")).to_contain_text("busque pelo nome")


def test_many_results_are_turned_like_pages(page: Page, desk_url: str) -> None:
    """The next page goes on counting, and its question stays the same."""
    page.goto(f"{desk_url}/?q=gravidez")
    first = result(page, 0).get_by_role("heading", level=2).inner_text()
    page.get_by_role("link", name="Próxima").click()
    expect(page).to_have_url(f"{desk_url}/?q=gravidez&page=2")
    expect(page.locator("ol.results")).to_have_attribute("start", "11")
    expect(box(page)).to_have_value("gravidez")
    page.get_by_role("link", name="Anterior").click()
    expect(result(page, 0).get_by_role("heading", level=2)).to_have_text(first)


@pytest.mark.parametrize(
    "address", ["/", "/?q=dipirona+em+crianca", "/?q=siprofloxassino", "/?q=xyzzyq+plughw", "/?q=cefalotina+lactose", COMPARED]
)
def test_nothing_scrolls_sideways(browser: Browser, desk_url: str, address: str) -> None:
    """Everything fits the 375 px of a small phone, and a desk's screen at 200 % zoom."""
    page = on_a_phone(browser)
    page.goto(desk_url + address)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page = browser.new_page(viewport=ZOOMED)
    page.goto(desk_url + address)
    assert page.evaluate("document.documentElement.scrollWidth") == ZOOMED["width"]


def test_a_leaflet_never_scrolls_sideways_on_a_phone(browser: Browser, desk_url: str) -> None:
    """The index of sections scrolls within its line."""
    page = on_a_phone(browser)
    page.goto(f"{desk_url}/?q=dipirona+em+crianca")
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".leaflet")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_the_passage_is_in_sight_without_scrolling(page: Page, browser: Browser, desk_url: str) -> None:
    """The first words of the first passage, on the desk's screen and on a phone."""
    for screen in (page, on_a_phone(browser)):
        screen.goto(f"{desk_url}/?q=dipirona+em+crianca")
        place = result(screen, 0).locator(".passage").first.bounding_box()
        size = screen.viewport_size
        assert place
        assert size
        assert place["y"] + 100 < size["height"]


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_every_text_can_be_told_from_its_ground(page: Page, desk_url: str, scheme: str) -> None:
    """WCAG 2 AA: 4.5 to 1, for large text 3 to 1, in light, in dark and on paper."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", media="print" if scheme == "print" else "screen")
    answers = ("/?q=dipirona+em+crianca&audience=patient", "/?q=siprofloxassino", "/?q=dipirona+com+zolpidemm", "/?q=hidroxizina")
    for address in ("/", COMPARED, *answers, "/?q=gravidez+sarampo+hipopotamo", "/?q=cefalotina+lactose"):
        page.goto(desk_url + address)
        assert page.evaluate(FAINT) == []
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".leaflet")).to_be_visible()
    page.wait_for_load_state()  # A text is there before its colours are.
    assert page.evaluate(FAINT) == []


def test_nothing_is_asked_of_anyone_else(page: Page, desk_url: str) -> None:
    """Questions are about people's health: they go to this desk and nowhere else, and no address is told where they came from."""
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))  # noqa: PLW0108  # Playwright refuses a built-in method
    ask(page, desk_url, "dipirona em crianca")
    result(page, 0).get_by_role("link").first.click()
    expect(page.locator(".leaflet")).to_be_visible()
    assert {urlsplit(request.url).netloc for request in asked} == {urlsplit(desk_url).netloc}
    assert [request.url for request in asked if request.headers.get("referer")] == []
