// Creates elements from text, never from markup. So a name in the site file can't inject HTML.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A row of a description list. */
export const row = (term, ...value) => make("div", {}, make("dt", {}, term), make("dd", {}, ...value));

export const byId = (id) => document.getElementById(id);

export const keyOf = (event) => `${event.run}\n${event.id}`;
