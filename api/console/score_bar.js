// A score as what it is: parts that add up, on a scale from 0 to 1.

import { make } from "./dom.js";
import { say } from "./i18n.js";

const SHADES = 6;

const sorted = (event) => event.factors.filter((factor) => Math.abs(factor.value) >= 0.005);

/** A composite's parts are called by what was seen. */
const nameOf = ({ name, detail }) => detail?.what ? say("signs", detail.what) : say("factors", name);

export function bar(event) {
  const parts = sorted(event);
  const words = parts.map((factor) => `${nameOf(factor)} ${factor.value.toFixed(2)}`).join(", ");
  const row = make("div", { class: "bar", role: "img", "aria-label": `${say("score")} ${event.score.toFixed(2)}: ${words}` });
  parts.forEach((factor, index) => {
    if (factor.value > 0) row.append(part(index, factor.value));
  });
  const taken = parts.reduce((sum, factor) => sum + Math.max(0, -factor.value), 0);
  if (taken > 0) {
    const less = make("span", { class: "part less" });
    less.style.width = percent(taken);
    less.style.marginLeft = `-${percent(taken)}`;  // over the end of what the other parts add up to
    row.append(less);
  }
  return row;
}

function part(index, value) {
  const element = make("span", { class: `part shade-${index % SHADES}` });
  element.style.width = percent(Math.abs(value));
  return element;
}

const percent = (share) => `${Math.min(1, share) * 100}%`;

const signed = (value) => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(2)}`;

export function legend(event) {
  return make("ul", { class: "legend", "aria-hidden": "true" }, ...sorted(event).map((factor, index) =>
    make("li", {}, make("span", { class: `dot shade-${index % SHADES}` }), nameOf(factor),
      make("b", {}, signed(factor.value)))));
}

export function table(event) {
  return make("dl", { class: "parts" }, ...sorted(event).map((factor, index) =>
    make("div", {}, make("dt", {}, nameOf(factor)), make("dd", {},
      make("span", { class: "bar thin", "aria-hidden": "true" }, part(index, factor.value)),
      make("b", {}, factor.value > 0 ? `+${signed(factor.value)}` : signed(factor.value))))));
}
