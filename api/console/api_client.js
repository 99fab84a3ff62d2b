// Requests to the service.

import { text } from "./i18n.js";

const JSON_TYPE = { "Content-Type": "application/json" };

export class UnauthorizedError extends Error {}

export async function get(path) {
  return parse(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body) {
  return parse(await fetch(path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) }));
}

export async function remove(path) {
  return parse(await fetch(path, { method: "DELETE", headers: JSON_TYPE }));
}

async function parse(response) {
  if (response.status === 401) throw new UnauthorizedError("a token is required");
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    // The page is the service's own. So a proxy has changed the host.
    if (problem?.code === "cross_site") throw new Error(text("host_changed"));
    throw new Error(problem?.message ?? `${response.status} ${response.url}`);
  }
  return response.status === 204 ? null : response.json();
}
