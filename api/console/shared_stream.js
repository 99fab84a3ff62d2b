// One event stream for all tabs of a browser, as a shared worker. HTTP/1.1 allows six connections to a host, and each
// stream keeps one. Without this, a seventh tab would get no answer.

const TYPES = ["message", "evidence", "verdict"];
const REOPEN_MS = 2000;

const tabs = new Map();  // each tab's port, and the position up to which it has the messages
let source = null;
let position = null;  // of the newest message
let connected = false;
let reopening;

self.onconnect = ({ ports: [port] }) => connect(port);

/** Serves a tab. The tab sends the position of its list, and `close` before it goes. */
export function connect(port) {
  port.onmessage = ({ data }) => (data.close ? tabs.delete(port) : join(port, data.position));
}

function join(port, from) {
  tabs.set(port, from);
  if (source === null || from < position) open(from);  // the other tabs skip the messages that they have
  else port.postMessage({ connected });
}

function open(from) {
  source?.close();
  clearTimeout(reopening);
  position = from;
  source = new EventSource(new URL(`../v1/events/stream?after=${from}`, import.meta.url));
  source.onopen = () => report(true);
  source.onerror = () => {
    report(false);
    // After a lost connection the browser resumes by itself, but not after an error response.
    if (source.readyState === EventSource.CLOSED) reopening = setTimeout(() => open(position), REOPEN_MS);
  };
  for (const type of TYPES) source.addEventListener(type, (message) => receive(type, message));
}

function receive(type, { lastEventId, data }) {
  const message = { type, position: Number(lastEventId), data: JSON.parse(data) };
  if (message.position <= position) {
    post({ replaced: true });
    return;
  }
  position = message.position;
  for (const [port, known] of tabs) {
    if (position <= known) continue;
    tabs.set(port, position);
    port.postMessage(message);
  }
}

function report(state) {
  connected = state;
  post({ connected });
}

function post(message) {
  for (const port of tabs.keys()) port.postMessage(message);
}
