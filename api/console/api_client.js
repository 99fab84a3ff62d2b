// What the console asks of the service.

export class RefusedError extends Error {}

export async function get(path) {
  return answer(await fetch(path, { headers: { Accept: "application/json" } }));
}

export async function post(path, body) {
  return answer(await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }));
}

async function answer(response) {
  if (response.status === 401) throw new RefusedError("a token is needed");
  if (!response.ok) throw new Error(`${response.status} ${response.url}`);
  return response.status === 204 ? null : response.json();
}
