"use strict";
// Redraws each section every few seconds (15, faster in a demo) without losing the reader's place, and sends what is pressed after a question.
const EVERY = Number(document.body.dataset.every); // seconds
const token = document.querySelector('meta[name="headroom-token"]').content;
const drawn = document.getElementById("drawn");
const said = document.getElementById("said");
const ask = document.getElementById("ask");
const asked = new Map(); // section → what its fields were when it was last asked to show itself anew
const texts = new Map(); // section → its last HTML: what has not changed is not drawn again
const due = new Map(); // section → when it is to be drawn
let lastDrawn = 0;

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

async function draw(section) {
  due.set(section, Date.now() + 1000 * EVERY * (section.dataset.slower || 1));
  const answer = await fetch(`/show/${section.dataset.show}?${new URLSearchParams(asked.get(section) || {})}`);
  if (!answer.ok) throw new Error(answer.status === 403 ? "this page was opened by another `headroom page`" : await answer.text());
  replace(section, await answer.text());
  lastDrawn = Date.now();
}

let trouble = "";
async function drawAll(sections) {
  const results = await Promise.allSettled(sections.map(draw));
  const failed = results.find((result) => result.status === "rejected");
  trouble = failed ? failed.reason.message : "";
}

function sayAge() {
  const age = lastDrawn ? Math.round((Date.now() - lastDrawn) / 1000) : null;
  const old = age === null || age > 2 * EVERY + 5;
  drawn.className = trouble || old && age !== null ? "stale" : "";
  drawn.textContent = trouble ? `Cannot be redrawn (${trouble}); shown as of ${age ?? "?"} s ago` : age === null ? "Reading …" : `Drawn ${age} s ago`;
}

async function send(section, order) {
  const answer = await fetch("/act", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Headroom-Token": token },
    body: JSON.stringify({ order, fields: fieldsOf(section) }),
  });
  said.textContent = await answer.text();
  said.focus({ preventScroll: false });
  await drawAll([...document.querySelectorAll("section[data-show]")]);
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

const sections = [...document.querySelectorAll("section[data-show]")];
drawAll(sections).then(sayAge);
setInterval(() => {
  const now = Date.now();
  const late = sections.filter((section) => (due.get(section) || 0) <= now);
  if (late.length && !document.hidden) drawAll(late).then(sayAge);
  sayAge();
}, 1000);
