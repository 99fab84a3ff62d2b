// The newest known revision of each event, with its evidence and verdicts.

import { keyOf } from "./dom.js";

export const isOngoing = (event) => event.state === "open" || event.state === "updated";

export const isUnhandledBell = (event) => event.kind === "emergency_bell" && event.verdicts.length === 0;

/** Whether a revision is the first one of its event, and not an update of an event that is not loaded. */
export const isFirstRevision = (event) => Date.parse(event.opened_at) === event.revision;

const partKeys = (event) => event.parts.map((id) => keyOf({ run: event.run, id }));

export class KnownEvents {
  constructor() {
    this.events = new Map();
    this.parts = new Set();  // keys of events that belong to another one, and are shown only under it
  }

  get(key) {
    return this.events.get(key);
  }

  all() {
    return [...this.events.values()];
  }

  /** Stores a revision, unless a newer one is known. */
  store(event) {
    const known = this.get(keyOf(event));
    if (known && known.revision > event.revision) return;
    this.events.set(keyOf(event), event);
    for (const key of partKeys(event)) this.parts.add(key);
  }

  /** Stores a change of an event's evidence or verdicts. */
  change({ evidence, verdicts, ...event }) {
    const known = this.get(keyOf(event));
    if (known) this.events.set(keyOf(event), { ...known, evidence, verdicts });
  }

  isPart(event) {
    return this.parts.has(keyOf(event));
  }

  /** The known events of which an event consists. */
  partsOf(event) {
    return partKeys(event).map((key) => this.get(key)).filter(Boolean);
  }

  /** Forgets all other events. */
  keep(keys) {
    for (const key of this.events.keys()) if (!keys.has(key)) this.events.delete(key);
  }
}
