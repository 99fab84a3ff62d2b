// Requests to the service.

export class UnauthorizedError extends Error {}

export async function get(path) {
  return parse(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body) {
  return parse(await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
}

async function parse(response) {
  if (response.status === 401) throw new UnauthorizedError("a token is required");
  if (!response.ok) {
    const problem = await response.json().catch(() => null);
    throw new Error(problem?.message ?? `${response.status} ${response.url}`);
  }
  return response.status === 204 ? null : response.json();
}
