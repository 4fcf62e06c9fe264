// The page while someone types. Without this file the box still works by Enter; with it, nothing but the box's own form is ever asked.

const PAUSE = 200; // ms without a key before asking: not at each letter, yet at once when the hands rest
const SETTLED = 500; // ms before a screen reader is told, so that it reads the last answer and not each one on the way
const AGAIN = 5; // s before a failed question is asked again, unless the server names its own time

const form = document.querySelector("form[role=search]");
const box = form.elements.q;
const answer = document.getElementById("answer"); // null on pages that show no results
const said = document.getElementById("said");

let shown = address(box.defaultValue); // the question whose answer stands on the page
let asking = null; // the question under way; an answer to any other is stale and is dropped
let pause, settling, again;

/** The address of a question with the chosen filters. */
function address(text) {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) {
    if (name !== "q") url.searchParams.set(name, value);
  }
  if (text.trim()) url.searchParams.set("q", text.trim());
  return url.href;
}

/** Drops the question under way, and fades an answer that is not to what stands in the box. */
function giveUp() {
  clearTimeout(pause);
  clearTimeout(again);
  asking?.abort();
  asking = null;
  answer.toggleAttribute("data-stale", address(box.value) !== shown);
}

/** Shows the answer of what stands in the box; does nothing where it is there already. */
async function ask() {
  giveUp();
  const wanted = address(box.value);
  if (wanted === shown) return;
  const mine = new AbortController();
  asking = mine;
  const response = await fetch(fragment(wanted), { signal: mine.signal }).catch(() => null);
  const html = response?.ok ? await response.text().catch(() => null) : null;
  if (asking !== mine) return;
  asking = null;
  if (html === null) apologise(Number(response?.headers.get("Retry-After")) || AGAIN);
  else show(html, wanted);
}

function fragment(wanted) {
  const url = new URL(wanted);
  url.searchParams.set("fragment", "1");
  return url;
}

function show(html, wanted) {
  answer.innerHTML = html; // our own server's, with every text in it escaped
  answer.removeAttribute("data-stale");
  shown = wanted;
  history.replaceState(null, "", wanted);
  scrollTo({ top: 0 });
  tell(answer.querySelector("[data-said]")?.dataset.said ?? "");
}

/** An old answer under a new question would be read as its answer: it goes. */
function apologise(seconds) {
  answer.replaceChildren(document.getElementById("unanswered").content.cloneNode(true));
  answer.removeAttribute("data-stale");
  shown = null;
  tell(answer.textContent);
  again = setTimeout(ask, seconds * 1000);
}

function tell(text) {
  clearTimeout(settling);
  settling = setTimeout(() => { said.textContent = text; }, SETTLED);
}

/** Names and results that the arrows go through, from the top. */
function stops() {
  return [...answer.querySelectorAll("[data-stop]")];
}

function move(event) {
  const all = stops();
  const at = all.indexOf(document.activeElement);
  if (at < 0 && document.activeElement !== box) return;
  if (event.key === "ArrowUp" && at <= 0) box.focus();
  else (all[event.key === "ArrowDown" ? at + 1 : at - 1] ?? all[at])?.focus();
  event.preventDefault();
}

/** Asks the name that has this number. Not from the box: there a digit is part of a dose. */
function choose(event) {
  const name = answer.querySelectorAll("[data-choice]")[event.key - 1];
  if (!name) return;
  event.preventDefault();
  name.click();
}

/** The next caller's: neither the words nor the filters of the last one stay. */
function clear() {
  for (const filter of form.querySelectorAll("input[type=hidden]")) filter.remove();
  box.value = "";
  box.focus();
  ask();
}

function typed() {
  giveUp();
  pause = setTimeout(ask, PAUSE);
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  const writing = event.target instanceof HTMLInputElement;
  const find = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey);
  if (find || (event.key === "/" && !writing)) {
    event.preventDefault();
    box.focus();
    box.select();
  } else if (answer && event.key === "Escape") {
    event.preventDefault();
    clear();
  } else if (answer && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    move(event);
  } else if (answer && !writing && /^[1-5]$/.test(event.key) && !event.ctrlKey && !event.altKey && !event.metaKey) {
    choose(event);
  }
});

if (answer) {
  box.addEventListener("input", (event) => { if (!event.isComposing) typed(); });
  box.addEventListener("compositionend", typed);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await ask();
    // Where the next Enter opens it; on a phone this also puts the keyboard away. Not under the hands of who types on.
    if (shown === address(box.value)) stops()[0]?.focus();
  });
  answer.addEventListener("click", (event) => {
    if (event.target.closest("[data-again]")) ask();
    // Back from a leaflet, the arrows go on from the result that was opened.
    const stop = stops().indexOf(event.target.closest("[data-stop]"));
    if (stop >= 0) history.replaceState({ stop }, "");
  });
  const stop = stops()[history.state?.stop];
  if (stop) stop.focus();
  // A phone's keyboard would cover the answer.
  else if (matchMedia("(hover: hover) and (pointer: fine)").matches) {
    box.focus({ preventScroll: true });
    box.setSelectionRange(box.value.length, box.value.length);
  }
  ask(); // what was typed before this file came
}
