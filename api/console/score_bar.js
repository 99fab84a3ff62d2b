// A score as its factors, which add up to it, on a scale from 0 to 1.

import { make, row } from "./dom.js";
import { text } from "./i18n.js";

const COLORS = 6;

const shownFactors = (event) => event.factors.filter((factor) => Math.abs(factor.value) >= 0.005);

/** A factor of a sequence is named after its condition. */
const factorName = ({ name, detail }) => detail?.what ? text("conditions", detail.what) : text("factors", name);

export function scoreBar(event) {
  const factors = shownFactors(event);
  const description = factors.map((factor) => `${factorName(factor)} ${factor.value.toFixed(2)}`).join(", ");
  const bar = make("div", { class: "score-bar", role: "img", "aria-label": `${text("score")} ${event.score.toFixed(2)}: ${description}` });
  factors.forEach((factor, index) => {
    if (factor.value > 0) bar.append(barPart(index, factor.value));
  });
  const deduction = factors.reduce((sum, factor) => sum + Math.max(0, -factor.value), 0);
  if (deduction > 0) {
    const part = make("span", { class: "score-part deduction" });
    part.style.width = percent(deduction);
    part.style.marginLeft = `-${percent(deduction)}`;  // covers the end of the other parts
    bar.append(part);
  }
  return bar;
}

function barPart(index, value) {
  const part = make("span", { class: `score-part factor-color-${index % COLORS}` });
  part.style.width = percent(Math.abs(value));
  return part;
}

const percent = (value) => `${Math.min(1, value) * 100}%`;

const signed = (value, plus = "") => `${value < 0 ? "−" : plus}${Math.abs(value).toFixed(2)}`;

export function scoreLegend(event) {
  return make("ul", { class: "legend", "aria-hidden": "true" }, ...shownFactors(event).map((factor, index) =>
    make("li", {}, make("span", { class: `dot factor-color-${index % COLORS}` }), factorName(factor),
      make("b", {}, signed(factor.value)))));
}

export function factorTable(event) {
  return make("dl", { class: "factor-table" }, ...shownFactors(event).map((factor, index) =>
    row(factorName(factor),
      make("span", { class: "score-bar thin", "aria-hidden": "true" }, barPart(index, factor.value)),
      make("b", {}, signed(factor.value, "+")))));
}
