// The live feed. The browser resumes it by Last-Event-ID; a feed that was refused is opened anew from the last position.

const AGAIN_MS = 2000;

export class Feed {
  constructor(position, { changed, linked, refused }) {
    Object.assign(this, { position, changed, linked, refused });
    this.open();
  }

  open() {
    this.source = new EventSource(`/v1/events/stream?after=${this.position}`);
    this.source.onopen = () => this.linked("on");
    this.source.onerror = () => this.broken();
    for (const what of ["message", "evidence", "verdict"]) {
      this.source.addEventListener(what, (message) => {
        const position = Number(message.lastEventId);
        if (position <= this.position) location.reload();  // another database has taken the place of the one that is shown
        this.position = position;
        this.changed(what, JSON.parse(message.data));
      });
    }
  }

  async broken() {
    this.linked("off");
    if (this.source.readyState !== EventSource.CLOSED) return;
    this.source.close();
    if (await this.refused()) return;
    setTimeout(() => this.open(), AGAIN_MS);
  }
}
