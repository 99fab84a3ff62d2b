// Requests to the service.

import { text } from "./i18n.js";

const JSON_TYPE = { "Content-Type": "application/json" };

export class UnauthorizedError extends Error {}

const TIMEOUT_MS = 15_000;  // a network that drops packets gives no answer at all

export async function get(path, timeout = TIMEOUT_MS) {
  return parse(await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(timeout) }));
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
    const message = problem?.code === "cross_site" ? text("host_changed") : problem?.message;
    throw Object.assign(new Error(message ?? `${response.status} ${response.url}`), { status: response.status, code: problem?.code });
  }
  return response.status === 204 ? null : response.json();
}
