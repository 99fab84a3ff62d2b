// A score as what it is: parts that add up, on a scale from 0 to 1.

import { make } from "./dom.js";
import { say } from "./words.js";

const SHADES = 6;

const sorted = (event) => event.factors.filter((factor) => Math.abs(factor.value) >= 0.005);

export function bar(event) {
  const parts = sorted(event);
  const words = parts.map((factor) => `${say("factors", factor.name)} ${factor.value.toFixed(2)}`).join(", ");
  const row = make("div", { class: "bar", role: "img", "aria-label": `${say("score")} ${event.score.toFixed(2)}: ${words}` });
  parts.forEach((factor, index) => {
    const part = make("span", { class: `part shade-${index % SHADES}` });
    part.style.width = `${Math.max(0, Math.min(1, factor.value)) * 100}%`;
    row.append(part);
  });
  return row;
}

export function legend(event) {
  return make("ul", { class: "legend", "aria-hidden": "true" }, ...sorted(event).map((factor, index) =>
    make("li", {}, make("span", { class: `dot shade-${index % SHADES}` }), say("factors", factor.name),
      make("b", {}, factor.value.toFixed(2)))));
}

export function table(event) {
  return make("dl", { class: "parts" }, ...sorted(event).map((factor, index) => {
    const part = make("span", { class: `part shade-${index % SHADES}` });
    part.style.width = `${Math.max(0, Math.min(1, factor.value)) * 100}%`;
    const track = make("span", { class: "bar thin", "aria-hidden": "true" }, part);
    return make("div", {}, make("dt", {}, say("factors", factor.name)), make("dd", {}, track, make("b", {}, `${factor.value < 0 ? "−" : "+"}${Math.abs(factor.value).toFixed(2)}`)));
  }));
}
