// A shared worker: one event stream for all tabs of a browser. HTTP/1.1 allows six connections to a host, and each
// stream takes one for ever, so the seventh tab would get no answer at all.

const TYPES = ["message", "evidence", "verdict"];
const MAX_RECENT = 1000;
const REOPEN_MS = 2000;

const tabs = new Map();  // each tab's port, and the position up to which it has the messages
let source = null;
let position = null;  // of the newest message
let recent = [];  // the newest messages, without a gap
let connected = false;

onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.close) {
      tabs.delete(port);
    } else {
      tabs.set(port, data.position);
      join(port, data.position);
    }
  };
};

function join(port, from) {
  const first = recent.length > 0 ? recent[0].position : position;
  if (source === null || from < first - 1) {
    open(Math.min(from, ...tabs.values()));
    return;
  }
  for (const message of recent) if (message.position > from) deliver(port, message);
  port.postMessage({ connected });
}

function open(from) {
  source?.close();
  position = from;
  recent = [];
  source = new EventSource(new URL(`../v1/events/stream?after=${from}`, self.location.href));
  source.onopen = () => report(true);
  source.onerror = () => handleError();
  for (const type of TYPES) source.addEventListener(type, (message) => receive(type, message));
}

function receive(type, message) {
  const received = { type, position: Number(message.lastEventId), data: JSON.parse(message.data) };
  if (received.position <= position) {  // the database was replaced
    for (const port of tabs.keys()) port.postMessage({ replaced: true });
    return;
  }
  position = received.position;
  recent.push(received);
  if (recent.length > MAX_RECENT) recent.shift();
  for (const port of tabs.keys()) deliver(port, received);
}

function deliver(port, message) {
  if (message.position <= tabs.get(port)) return;
  tabs.set(port, message.position);
  port.postMessage(message);
}

function handleError() {
  report(false);
  if (source.readyState !== EventSource.CLOSED) return;  // the browser resumes by itself
  for (const port of tabs.keys()) port.postMessage({ rejected: true });
  setTimeout(() => open(position), REOPEN_MS);
}

function report(state) {
  connected = state;
  for (const port of tabs.keys()) port.postMessage({ connected });
}
