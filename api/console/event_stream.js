// The event stream of this tab.

import { connect } from "./shared_stream.js";

export class EventStream {
  constructor(position, { onChange, onState }) {
    const port = openPort();
    port.onmessage = ({ data }) => {
      if (data.replaced) location.reload();  // the database was replaced
      else if ("connected" in data) onState(data.connected ? "connected" : "disconnected");
      else onChange(data.type, data.data);
    };
    port.postMessage({ position });
    addEventListener("pagehide", () => port.postMessage({ close: true }));
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());  // from the browser's cache
  }
}

function openPort() {
  if ("SharedWorker" in window) {
    return new SharedWorker(new URL("shared_stream.js", import.meta.url), { type: "module", name: "lanewatch" }).port;
  }
  const { port1, port2 } = new MessageChannel();  // this browser has no shared workers: each tab has its own stream
  connect(port2);
  return port1;
}
