// The console: the list of events with the selected event beside it. The address says which event that is.

import { eventAddress, eventPath, parseAddress } from "./address.js";
import { EventDetail } from "./event_detail.js";
import { GroupDetail } from "./event_group.js";
import { EventList } from "./event_list.js";
import { EventStream } from "./event_stream.js";
import { KnownEvents, isFirstRevision } from "./known_events.js";
import { SiteStatus } from "./camera_status.js";
import { UnauthorizedError, get, post, remove } from "./api_client.js";
import { byId, keyOf, wideScreen } from "./dom.js";
import { format, language, setLanguage, text } from "./i18n.js";
import { login } from "./login.js";
import { dayOf } from "./time_format.js";

const CAMERA_REFRESH_MS = 1000;
const CAMERA_TIMEOUT_MS = 5000;
const RETRY_MS = 2000;
const MAX_PARTS = 200;

const known = new KnownEvents();
let site = null;
let list = null;
let detail = null;
let groupDetail = null;
let selectedKey = null;  // only the operator, or the address, changes it
let selectedMessage = null;  // why the selected event is not shown
let stream = "connecting";
let answering = true;
let today = null;
let rendering = null;

function renderTexts() {
  document.documentElement.lang = language();
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  }
  renderConnection();
}

function renderConnection() {
  const state = answering ? stream : "disconnected";
  byId("connection").className = `connection ${state}`;
  byId("connection").textContent = text("connection", state);
}

function render(newKey) {
  today = dayOf(Date.now(), site.timeZone);
  list.render(selectedKey, newKey);
  renderDetail();
}

/** Renders once for all changes until the next frame. */
function renderSoon() {
  rendering ??= requestAnimationFrame(() => {
    rendering = null;
    render();
  });
}

function renderDetail() {
  const event = known.get(selectedKey);
  const group = list.entries.find(({ key, events }) => events && key === selectedKey);
  if (event) detail.show(event);
  else if (group) {
    detail.event = null;
    groupDetail.show(group);
  } else detail.clear(text(selectedMessage ?? "select_event"));
}

/** Selects what an address names, as a new entry of the browser's history. */
function select(address) {
  if (address !== location.hash) history.pushState({ fromList: selectedKey === null }, "", address);
  return followAddress();
}

/** Shows what the address names, and loads it if it is not in the list. */
async function followAddress() {
  const target = parseAddress(location.hash);
  selectedKey = target?.key ?? null;
  selectedMessage = target?.event ? "loading" : null;
  if (target?.event && !known.get(selectedKey)) await loadSelected(target);
  render();
  if (!wideScreen.matches && selectedKey !== null) byId("detail").focus();
  const event = known.get(selectedKey);
  if (event) await loadParts(event);
}

async function loadSelected({ key, event }) {
  try {
    known.store(await get(eventPath(event)));
  } catch (error) {
    if (selectedKey === key) selectedMessage = error.status === 404 ? "not_found" : "not_loaded";
  }
}

/** Loads the events of which an event consists, such as the cameras of an outage. */
async function loadParts(event) {
  if (known.partsOf(event).length === event.parts.length) return;
  const query = `part_of=${encodeURIComponent(event.id)}&run=${encodeURIComponent(event.run)}&limit=${MAX_PARTS}`;
  const { events } = await get(`v1/events?${query}`).catch(() => ({ events: [] }));
  events.forEach((part) => known.store(part));
  if (events.length > 0) render();
}

function closeDetail() {
  const card = list.cards.get(selectedKey);
  if (history.state?.fromList) history.back();
  else {
    history.pushState(null, "", location.pathname + location.search);
    followAddress();
  }
  card?.button.focus();
}

function handleChange(type, data) {
  if (type !== "message") {
    known.change(data);
    renderSoon();
    return;
  }
  const isNew = list.add(data) && isFirstRevision(data);
  if (isNew) {
    render(keyOf(data));
    byId("announcement").textContent = format("new_event", site.kindName(data), site.cameraName(data));
  } else renderSoon();
  list.trim(new Set([selectedKey]));
}

/** Returns why the verdict was not saved; null if it was. */
async function saveVerdict(event, verdict, reason) {
  const { id, run } = event;
  try {
    known.store(await post(`v1/events/${encodeURIComponent(id)}/verdict?run=${encodeURIComponent(run)}`, { verdict, reason }));
  } catch (error) {
    return error.code === "cross_site" ? error.message : text("not_saved");
  }
  render();
  return null;
}

async function refreshSite() {
  try {
    const [siteInfo, { cameras }] = await Promise.all([get("v1/site", CAMERA_TIMEOUT_MS), get("v1/cameras", CAMERA_TIMEOUT_MS)]);
    site.update(siteInfo, cameras);
    answering = true;
  } catch (error) {
    if (error instanceof UnauthorizedError) location.reload();  // logged out, here or in another tab, or expired
    site.lose();
    answering = false;
  }
  site.render();
  renderConnection();
  if (dayOf(Date.now(), site.timeZone) !== today) render();  // it is midnight: yesterday's times get a date
  setTimeout(refreshSite, CAMERA_REFRESH_MS);
}

function selectNeighbour(offset) {
  const entries = list.entries;
  const index = entries.findIndex(({ key }) => key === selectedKey);
  const neighbour = entries[Math.min(entries.length - 1, Math.max(0, index + offset))];
  if (!neighbour) return;
  list.cards.get(neighbour.key).button.click();
  list.cards.get(neighbour.key).button.focus();
}

function handleKey(press) {
  if (press.target.closest("input, video, dialog") || press.ctrlKey || press.altKey || press.metaKey) return;
  if (press.key === "Escape" && selectedKey !== null) closeDetail();
  if (press.key === "j" || (press.key === "ArrowDown" && press.target.closest(".card"))) selectNeighbour(1);
  else if (press.key === "k" || (press.key === "ArrowUp" && press.target.closest(".card"))) selectNeighbour(-1);
  else return;
  press.preventDefault();
}

function build(siteInfo, cameras) {
  site = new SiteStatus(siteInfo, cameras);
  list = new EventList(site, known, { onSelect: select, onChange: render });
  const onSelect = (event) => select(eventAddress(event));
  const partsOf = (event) => known.partsOf(event);
  detail = new EventDetail(byId("detail"), site, { onVerdict: saveVerdict, onClose: closeDetail, onSelect, partsOf });
  groupDetail = new GroupDetail(byId("detail"), site, { onClose: closeDetail, onSelect });
}

async function load() {
  const [session, siteInfo, { cameras }] = await Promise.all([get("v1/session"), get("v1/site"), get("v1/cameras")]);
  byId("logout").hidden = !session.needed;
  if (site === null) build(siteInfo, cameras);
  const position = await list.load();
  site.render();
  showFirstEvent();
  await followAddress();
  return position;
}

/** An address without an event shows the first one of the list, once, where there is space for it. */
function showFirstEvent() {
  list.render(null);
  const first = list.entries[0];
  if (first?.event && wideScreen.matches && parseAddress(location.hash) === null) {
    history.replaceState(null, "", eventAddress(first.event));
  }
}

async function loadWithRetry() {
  for (;;) {
    try {
      return await load();
    } catch (error) {
      if (error instanceof UnauthorizedError) await login();
      else await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function logout() {
  await remove("v1/session");
  sessionStorage.clear();  // the next operator must not find what this one has typed
  location.reload();
}

function handleState(state) {
  stream = state;
  renderConnection();
  if (state === "connected" && selectedMessage === "not_loaded") followAddress();
}

renderTexts();
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    setLanguage(button.dataset.language);
    renderTexts();
    if (site === null) return;
    site.render();
    render();
  });
}
byId("logout").addEventListener("click", logout);
byId("skip").addEventListener("click", (click) => {
  click.preventDefault();  // the part after # is the address of an event
  byId("list").focus();
});
document.addEventListener("keydown", handleKey);
wideScreen.addEventListener("change", () => site !== null && render());
const position = await loadWithRetry();
addEventListener("popstate", followAddress);
new EventStream(position, { onChange: handleChange, onState: handleState });
setTimeout(refreshSite, CAMERA_REFRESH_MS);
