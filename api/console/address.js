// The address of what is shown, such as #/events/ID. Back, a reload, a bookmark and a link lead to it.
//
// It is the part after #, which stays in the browser. So it works under any path of a proxy, and after the login.

import { keyOf } from "./dom.js";

const PREFERRED_RUN = "live";  // the service takes it if no run is given
const EVENT = "#/events/";
const GROUP = "#/trouble/";

export const eventAddress = ({ id, run }) =>
  `${EVENT}${encodeURIComponent(id)}${run === PREFERRED_RUN ? "" : `?run=${encodeURIComponent(run)}`}`;

export const groupAddress = (kind) => `${GROUP}${encodeURIComponent(kind)}`;

export const groupKey = (kind) => `group\n${kind}`;

/** What an address names: an event, a group of events of one kind, or null. */
export function parseAddress(hash) {
  try {
    if (hash.startsWith(GROUP)) return { key: groupKey(decodeURIComponent(hash.slice(GROUP.length))) };
    if (!hash.startsWith(EVENT)) return null;
    const [id, query] = hash.slice(EVENT.length).split("?");
    const event = { id: decodeURIComponent(id), run: new URLSearchParams(query).get("run") ?? PREFERRED_RUN };
    return { key: keyOf(event), event };
  } catch {
    return null;  // not an address of this console
  }
}

/** The service's path of an event. */
export const eventPath = ({ id, run }) => `v1/events/${encodeURIComponent(id)}?run=${encodeURIComponent(run)}`;
