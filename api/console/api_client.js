// Requests to the service.

export class UnauthorizedError extends Error {}

const TIMEOUT_MS = 15_000;  // a network that drops packets gives no answer at all

export async function get(path, timeout = TIMEOUT_MS) {
  return parse(await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(timeout) }));
}

export async function post(path, body) {
  return parse(await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
}

async function parse(response) {
  if (response.status === 401) throw new UnauthorizedError("a token is required");
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    throw Object.assign(new Error(problem?.message ?? `${response.status} ${response.url}`), { status: response.status });
  }
  return response.status === 204 ? null : response.json();
}
