// Times arrive as ISO 8601 in UTC and are shown in a time zone of the site, never in that of the browser.

import { language, text } from "./i18n.js";

const LOCALES = { ko: "ko-KR", en: "en-GB" };
const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
const DAY = { month: "short", day: "numeric", weekday: "short" };
const DATE = { month: "short", day: "numeric" };
const YEAR = { year: "numeric" };
const formats = new Map();

function formatFor(timeZone, locale, options) {
  const key = `${locale} ${timeZone} ${Object.keys(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, { timeZone, hourCycle: "h23", ...options }));
  return formats.get(key);
}

const formatted = (instant, timeZone, options) => formatFor(timeZone, LOCALES[language()], options).format(new Date(instant));

/** The calendar day of an instant, such as 2026-01-15. */
export const dayOf = (instant, timeZone) =>
  formatFor(timeZone, "en-CA", { year: "numeric", month: "2-digit", day: "2-digit" }).format(new Date(instant));

const isToday = (instant, timeZone) => dayOf(instant, timeZone) === dayOf(Date.now(), timeZone);

const withYear = (instant, timeZone, options) =>
  dayOf(instant, timeZone).slice(0, 4) === dayOf(Date.now(), timeZone).slice(0, 4) ? options : { ...YEAR, ...options };

export const formatTime = (instant, timeZone) => formatted(instant, timeZone, TIME);

export const formatDay = (instant, timeZone) => formatted(instant, timeZone, withYear(instant, timeZone, DAY));

/** The day as a heading: today's has a word before it. */
export const formatDayHeading = (instant, timeZone) =>
  isToday(instant, timeZone) ? `${text("today")}, ${formatDay(instant, timeZone)}` : formatDay(instant, timeZone);

/** The time, with the date unless it is today. */
export function formatMoment(instant, timeZone) {
  const time = formatTime(instant, timeZone);
  if (isToday(instant, timeZone)) return time;
  return `${formatted(instant, timeZone, withYear(instant, timeZone, DATE))} ${time}`;
}

export const timeZoneName = (instant, timeZone) =>
  formatFor(timeZone, LOCALES[language()], { timeZoneName: "short" }).formatToParts(new Date(instant)).find((part) => part.type === "timeZoneName").value;
