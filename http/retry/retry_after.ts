/**
 * The `Retry-After` header: seconds, or a date in any of the three forms of HTTP.
 *
 * @module
 */

const MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec";

const FORMS = [
  // Sun, 06 Nov 1994 08:49:37 GMT
  /^[a-z]{3}, (?<day>\d{2}) (?<month>[a-z]{3}) (?<year>\d{4}) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) gmt$/i,
  // Sun Nov  6 08:49:37 1994
  /^[a-z]{3} (?<month>[a-z]{3}) (?<day>[ \d]\d) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) (?<year>\d{4})$/i,
  // Sunday, 06-Nov-94 08:49:37 GMT
  /^[a-z]{6,9}, (?<day>\d{2})-(?<month>[a-z]{3})-(?<year>\d{2}) (?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2}) gmt$/i,
];

/** Milliseconds since 1970 of an HTTP date; `undefined` when it is none. */
export function parseHTTPDate(
  text: string,
  now: number = Date.now(),
): number | undefined {
  let parts: Record<string, string> | undefined;
  for (const form of FORMS) parts ??= form.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const { day, month = "", year = "", hour, minute, second } = parts;
  const monthIndex = MONTHS.indexOf(month.toLowerCase()) / 3;
  let y = Number(year);
  if (year.length === 2) {
    // RFC 9110: a two-digit year more than 50 years ahead is of the century before.
    const thisYear = new Date(now).getUTCFullYear();
    y += Math.trunc(thisYear / 100) * 100;
    if (y > thisYear + 50) y -= 100;
  }
  const d = Number(day), h = Number(hour), m = Number(minute);
  const s = Number(second);
  // 60 is a leap second: Date.UTC carries it over into the next minute.
  if (
    !Number.isInteger(monthIndex) || d < 1 || d > 31 || h > 23 || m > 59 ||
    s > 60
  ) return undefined;
  return new Date(Date.UTC(y, monthIndex, d)).getUTCDate() === d
    ? Date.UTC(y, monthIndex, d, h, m, s)
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
