// Instants come as ISO 8601 in UTC and are shown in the time of the place that the camera sees.

import { language } from "./i18n.js";

const LOCALES = { ko: "ko-KR", en: "en-GB" };
const made = new Map();

function format(zone, name, options) {
  const key = `${language()} ${zone} ${name}`;
  if (!made.has(key)) {
    made.set(key, new Intl.DateTimeFormat(LOCALES[language()], { timeZone: zone, hourCycle: "h23", ...options }));
  }
  return made.get(key);
}

export const time = (instant, zone) =>
  format(zone, "time", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(instant));

export const day = (instant, zone) =>
  format(zone, "day", { month: "short", day: "numeric", weekday: "short" }).format(new Date(instant));

export const zoneName = (instant, zone) =>
  format(zone, "zone", { timeZoneName: "short" }).formatToParts(new Date(instant)).find((part) => part.type === "timeZoneName").value;
