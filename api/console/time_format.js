// Times arrive as ISO 8601 in UTC and are shown in the time zone of the camera.

import { language } from "./i18n.js";

const LOCALES = { ko: "ko-KR", en: "en-GB" };
const formats = new Map();

function formatFor(timeZone, name, options) {
  const key = `${language()} ${timeZone} ${name}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat(LOCALES[language()], { timeZone, hourCycle: "h23", ...options }));
  }
  return formats.get(key);
}

export const formatTime = (instant, timeZone) =>
  formatFor(timeZone, "time", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(instant));

export const formatDay = (instant, timeZone) =>
  formatFor(timeZone, "day", { month: "short", day: "numeric", weekday: "short" }).format(new Date(instant));

export const timeZoneName = (instant, timeZone) =>
  formatFor(timeZone, "zone", { timeZoneName: "short" }).formatToParts(new Date(instant)).find((part) => part.type === "timeZoneName").value;
