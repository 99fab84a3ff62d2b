// The event stream of this tab, from the worker that all tabs share.

export class EventStream {
  constructor(position, { onChange, onState, onRejected }) {
    const worker = new SharedWorker(new URL("shared_stream.js", import.meta.url), { type: "module", name: "lanewatch" });
    worker.port.onmessage = ({ data }) => {
      if (data.replaced) location.reload();  // the database was replaced
      else if (data.rejected) onRejected();
      else if ("connected" in data) onState(data.connected ? "connected" : "disconnected");
      else onChange(data.type, data.data);
    };
    worker.port.postMessage({ position });
    addEventListener("pagehide", () => worker.port.postMessage({ close: true }));
    addEventListener("pageshow", ({ persisted }) => persisted && location.reload());  // from the browser's cache
  }
}
