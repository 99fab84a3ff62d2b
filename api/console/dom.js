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

/** Whether the selected event is beside the list, and not over it. */
export const wideScreen = matchMedia("(min-width: 900px)");

export const byId = (id) => document.getElementById(id);

export const keyOf = (event) => `${event.run}\n${event.id}`;

/** Makes these elements the only ones of a container, in this order. Those that stay keep their focus and place. */
export function replaceElements(container, elements) {
  const needed = new Set(elements);
  for (const element of [...container.children]) if (!needed.has(element)) element.remove();
  let next = container.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else container.insertBefore(element, next);
  }
}
