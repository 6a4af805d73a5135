/**
 * The `Retry-After` header: seconds, or a date in any of the three forms of HTTP.
 *
 * @module
 */

const MONTHS = [
  "jan",
  "feb",
  "mar",
  "apr",
  "may",
  "jun",
  "jul",
  "aug",
  "sep",
  "oct",
  "nov",
  "dec",
];

// Sun, 06 Nov 1994 08:49:37 GMT
const IMF_FIXDATE =
  /^[a-z]{3}, (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
// Sunday, 06-Nov-94 08:49:37 GMT
const RFC850 =
  /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
// Sun Nov  6 08:49:37 1994
const ASCTIME =
  /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i;

/** Milliseconds since 1970 of an HTTP date; `undefined` when it is none. */
export function parseHTTPDate(
  text: string,
  now: number = Date.now(),
): number | undefined {
  let match = IMF_FIXDATE.exec(text);
  if (match !== null) {
    const [, day, month, year, hour, minute, second] = match;
    return time(year, month, day, hour, minute, second);
  }
  match = ASCTIME.exec(text);
  if (match !== null) {
    const [, month, day, hour, minute, second, year] = match;
    return time(year, month, day, hour, minute, second);
  }
  match = RFC850.exec(text);
  if (match === null) return undefined;
  const [, day, month, shortYear, hour, minute, second] = match;
  // RFC 9110: a two-digit year more than 50 years ahead is of the century before.
  const thisYear = new Date(now).getUTCFullYear();
  let year = Math.trunc(thisYear / 100) * 100 + Number(shortYear);
  if (year > thisYear + 50) year -= 100;
  return time(String(year), month, day, hour, minute, second);
}

function time(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  hour: string | undefined,
  minute: string | undefined,
  second: string | undefined,
): number | undefined {
  const monthIndex = MONTHS.indexOf((month ?? "").toLowerCase());
  const d = Number(day), h = Number(hour), m = Number(minute);
  const s = Number(second);
  // 60 is a leap second: Date.UTC carries it over into the next minute.
  if (monthIndex === -1 || d < 1 || d > 31 || h > 23 || m > 59 || s > 60) {
    return undefined;
  }
  const value = Date.UTC(Number(year), monthIndex, d, h, m, s);
  return new Date(Date.UTC(Number(year), monthIndex, d)).getUTCDate() === d
    ? value
    : undefined;
}

/**
 * Milliseconds to wait by a `Retry-After` value; 0 for a date in the past, `undefined` for what is
 * neither seconds nor a date (`-1`, `0x10`, `soon`), which is as if the header were not there.
 *
 * @param now The wall clock, in milliseconds since 1970: the date is on the server's.
 */
export function parseRetryAfter(
  value: string,
  now: number = Date.now(),
): number | undefined {
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = parseHTTPDate(text, now);
  return date === undefined ? undefined : Math.max(0, date - now);
}
