// The event stream. The browser resumes it by Last-Event-ID; after a rejected request it is reopened from the last position.

const REOPEN_MS = 2000;

export class EventStream {
  constructor(position, { onChange, onState, onRejected }) {
    Object.assign(this, { position, onChange, onState, onRejected });
    this.open();
  }

  open() {
    this.source = new EventSource(`v1/events/stream?after=${this.position}`);
    this.source.onopen = () => this.onState("connected");
    this.source.onerror = () => this.handleError();
    for (const type of ["message", "evidence", "verdict"]) {
      this.source.addEventListener(type, (message) => {
        const position = Number(message.lastEventId);
        if (position <= this.position) location.reload();  // the database was replaced
        this.position = position;
        this.onChange(type, JSON.parse(message.data));
      });
    }
  }

  async handleError() {
    this.onState("disconnected");
    if (this.source.readyState !== EventSource.CLOSED) return;
    this.source.close();
    await this.onRejected();
    setTimeout(() => this.open(), REOPEN_MS);
  }
}
