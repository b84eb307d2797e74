"use strict";
// Redraws each section every few seconds (15, faster in a demo) without losing the reader's place, and sends what is pressed after a question.
const EVERY = Number(document.body.dataset.every); // seconds
// The token is in the part of the address that is never sent to a server, and is kept in this tab alone.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname);
}
const token = sessionStorage.getItem("token") || "";
const drawn = document.getElementById("drawn");
const said = document.getElementById("said");
const ask = document.getElementById("ask");
const sections = [...document.querySelectorAll("section[data-show]")];
const asked = new Map(); // section → what its fields were when it was last asked to show itself anew
const texts = new Map(); // section → its last HTML: what has not changed is not drawn again
const due = new Map(); // section → when it is to be drawn
const drawnAt = new Map(); // section → when it was
const troubles = new Map(); // section → why it could not be
const began = Date.now();

const fieldsOf = (section) =>
  Object.fromEntries([...section.querySelectorAll("input, select")].map((field) => [field.name, field.value]));

// A place on the page that survives a redraw: a field by its name, a button by what it orders.
const placeOf = (element) =>
  element?.name ? `[name="${CSS.escape(element.name)}"]`
  : element?.dataset?.order ? `[data-order="${CSS.escape(element.dataset.order)}"]`
  : element?.dataset?.again ? "[data-again]" : null;

function replace(section, html) {
  if (texts.get(section) === html) return;
  texts.set(section, html);
  const box = section.querySelector(".scroll");
  const typed = fieldsOf(section);
  const focused = box.contains(document.activeElement) && document.activeElement !== box ? document.activeElement : null;
  const place = placeOf(focused);
  const { scrollLeft, scrollTop } = box;
  box.innerHTML = html; // ours, and escaped where it was made
  for (const field of box.querySelectorAll("input, select")) if (field.name in typed) field.value = typed[field.name];
  Object.assign(box, { scrollLeft, scrollTop });
  if (focused) (place && box.querySelector(place) || box).focus({ preventScroll: true });
}

const patience = (section) => 1000 * EVERY * (section.dataset.slower || 1);

async function draw(section) {
  due.set(section, Date.now() + patience(section));
  try {
    const typed = new URLSearchParams(asked.get(section) || {});
    const answer = await fetch(`/show/${section.dataset.show}?${typed}`, { headers: { "X-Headroom-Token": token } });
    if (!answer.ok) throw new Error(await answer.text());
    replace(section, await answer.text());
    drawnAt.set(section, Date.now());
    troubles.delete(section);
  } catch (error) {
    troubles.set(section, error.message);
  }
}

const drawAll = (some) => Promise.all(some.map(draw)).then(sayAge);

// The age of what is oldest, for its pace; one section that fails is not hidden by others that do not.
function sayAge() {
  const ages = sections.map((section) => ({
    section,
    seconds: Math.round((Date.now() - (drawnAt.get(section) || began)) / 1000),
    trouble: troubles.get(section),
  }));
  const name = (one) => one.section.querySelector("h2").textContent;
  const bad = ages.find((one) => one.trouble) || ages.find((one) => 1000 * one.seconds > 2 * patience(one.section) + 5000);
  drawn.className = bad ? "stale" : "";
  const paced = ages.filter((one) => !one.section.dataset.slower);
  drawn.textContent = !bad
    ? drawnAt.size < sections.length ? "Reading …" : `Drawn ${Math.max(...paced.map((one) => one.seconds))} s ago`
    : `${name(bad)} cannot be redrawn${bad.trouble ? ` (${bad.trouble})` : ""}; ` +
      (drawnAt.has(bad.section) ? `shown as of ${bad.seconds} s ago` : "nothing is shown");
}

async function send(section, order) {
  const answer = await fetch("/act", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Headroom-Token": token },
    body: JSON.stringify({ order, fields: fieldsOf(section) }),
  });
  said.textContent = await answer.text();
  said.focus({ preventScroll: false });
  await drawAll(sections);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-order], button[data-again]");
  if (!button) return;
  const section = button.closest("section");
  if (button.dataset.again) {
    asked.set(section, fieldsOf(section));
    await drawAll([section]);
    return;
  }
  const order = JSON.parse(button.dataset.order);
  document.getElementById("question").textContent = button.dataset.question;
  ask.returnValue = "no";
  ask.showModal();
  ask.addEventListener("close", () => { if (ask.returnValue === "yes") send(section, order).catch((error) => { said.textContent = `Not sent: ${error.message}`; }); }, { once: true });
});

// Enter in a field does what the button beside it does.
document.addEventListener("submit", (event) => {
  if (event.target.method === "dialog") return;
  event.preventDefault();
  event.target.querySelector("button[data-again]")?.click();
});

drawAll(sections);
setInterval(() => {
  const now = Date.now();
  const late = sections.filter((section) => (due.get(section) || 0) <= now);
  if (late.length && !document.hidden) drawAll(late);
  else sayAge();
}, 1000);
