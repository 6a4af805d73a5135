/**
 * Draws what `runner.timeline()` gave as a picture: a row for each slot, a bar for each task in
 * the colour of its kind (the first word of its name), and below them how many waited.
 *
 * Usage: `deno task timeline [timeline.json [picture.svg]]`: the picture is `timeline.svg` unless it is
 * named; without a file a run of examples/one_scheduler.ts is drawn into docs/timeline.svg.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { TaskPriority, type Timeline, type TraceEvent } from "../runner/mod.ts";

const WIDTH = 880;
const LEFT = 74;
const RIGHT = 16;
const ROW = 34;
const BAR = 26;
const TOP = 78;
const QUEUE = 90;

/** Told apart by most eyes, on white and on black. */
const COLOURS = [
  ...["#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#06b6d4", "#84cc16"],
  ...["#ec4899", "#94a3b8"],
];

/** Readable on a light and on a dark page, whichever the reader has. */
const STYLE = `
  .page { fill: #ffffff; } .text { fill: #334155; } .title { fill: #0f172a; font-weight: 600; }
  .line { stroke: #cbd5e1; } .row { fill: #f1f5f9; } .queue { fill: #94a3b8; opacity: 0.55; }
  .urgent { stroke: #dc2626; stroke-width: 2; }
  text { font: 12px system-ui, sans-serif; } .title { font-size: 15px; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117; } .text { fill: #cbd5e1; } .title { fill: #f1f5f9; }
    .line { stroke: #334155; } .row { fill: #161b22; } .urgent { stroke: #f87171; }
  }`;

/** The kind of a task: the first word of its name, without a number at its end. */
function kindOf({ name }: TraceEvent): string {
  return /^[^\s\d]*[^\s\d-]/.exec(name)?.[0] ?? name;
}

/** The picture of a timeline, as SVG. */
export function drawTimeline(timeline: Timeline, title: string): string {
  const runs = timeline.traceEvents.filter(({ ph }) => ph === "X");
  const waits = timeline.traceEvents.filter(({ cat }) => cat === "queue");
  const times = timeline.traceEvents.filter(({ ph }) => ph !== "M");
  const ends = times.map(({ ts, dur = 0 }) => ts + dur);
  const first = times.reduce(
    (least, { ts }) => Math.min(least, ts),
    times[0]?.ts ?? 0,
  );
  const span = ends.reduce((most, ts) => Math.max(most, ts - first), 1);
  const x = (ts: number) => LEFT + (ts - first) / span * (WIDTH - LEFT - RIGHT);
  const slots = Math.max(1, ...runs.map(({ tid }) => tid));
  const kinds = [...new Set(runs.map(kindOf))];
  const colour = (kind: string) =>
    // Within the list.
    COLOURS[Math.min(kinds.indexOf(kind), COLOURS.length - 1)]!;
  const bottom = TOP + slots * ROW;
  const height = bottom + QUEUE + 44;
  const out: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    `<text class="title" x="${LEFT}" y="26">${escape(title)}</text>`,
  ];

  let legend = LEFT;
  const entry = (label: string, rect: string) => {
    out.push(
      `<rect x="${legend}" y="42" width="12" height="12" rx="2" ${rect}/>`,
      `<text class="text" x="${legend + 17}" y="52">${escape(label)}</text>`,
    );
    legend += 38 + label.length * 7;
  };
  for (const kind of kinds) entry(kind, `fill="${colour(kind)}"`);
  if (runs.some(isUrgent)) entry("CRITICAL", `class="urgent" fill="none"`);

  for (let slot = 1; slot <= slots; slot++) {
    const y = TOP + (slot - 1) * ROW;
    out.push(
      `<text class="text" x="12" y="${y + 18}">slot ${slot}</text>`,
      `<rect class="row" x="${LEFT}" y="${y}" width="${
        WIDTH - LEFT - RIGHT
      }" height="${BAR}"/>`,
    );
  }
  // What is nested, as a task within the slot that its parent lends, comes later and on top.
  for (const run of runs.toSorted((a, b) => a.ts - b.ts)) {
    const width = Math.max(x(run.ts + (run.dur ?? 0)) - x(run.ts), 0.8);
    const inset = isUrgent(run) ? 2 : 0;
    const label = width > 9 + run.name.length * 6.4 ? run.name : "";
    const y = TOP + (run.tid - 1) * ROW;
    out.push(
      `<rect ${isUrgent(run) ? `class="urgent" ` : ""}x="${
        x(run.ts).toFixed(1)
      }" y="${y + inset}" width="${width.toFixed(1)}" height="${
        BAR - 2 * inset
      }" rx="2" fill="${colour(kindOf(run))}"><title>${
        escape(`${run.name}, ${((run.dur ?? 0) / 1000).toFixed(1)} ms`)
      }</title></rect>`,
    );
    if (label !== "") {
      out.push(
        `<text x="${(x(run.ts) + 4).toFixed(1)}" y="${y + 18}" fill="#0f172a">${
          escape(label)
        }</text>`,
      );
    }
  }

  out.push(drawQueue(waits, x, bottom + 12));
  const base = bottom + 12 + QUEUE;
  for (let part = 0; part <= 4; part++) {
    const ts = first + span * part / 4;
    out.push(
      `<line class="line" x1="${x(ts)}" y1="${TOP}" x2="${
        x(ts)
      }" y2="${base}" stroke-dasharray="2 4"/>`,
      `<text class="text" x="${x(ts)}" y="${base + 18}" text-anchor="${
        part === 0 ? "start" : part === 4 ? "end" : "middle"
      }">${(span * part / 4000).toFixed(0)} ms</text>`,
    );
  }
  out.push("</svg>", "");
  return out.join("\n");
}

/** How many tasks wait, over time. */
function drawQueue(
  waits: readonly TraceEvent[],
  x: (ts: number) => number,
  top: number,
): string {
  const steps = waits.map(({ ph, ts }) => ({ ts, change: ph === "b" ? 1 : -1 }))
    .sort((a, b) => a.ts - b.ts || b.change - a.change);
  let depth = 0;
  const depths = steps.map(({ ts, change }) => ({
    ts,
    depth: depth += change,
  }));
  const most = Math.max(1, ...depths.map(({ depth }) => depth));
  const base = top + QUEUE;
  const points = [`${LEFT},${base}`];
  let y = base;
  for (const { ts, depth } of depths) {
    points.push(`${x(ts).toFixed(1)},${y.toFixed(1)}`);
    y = base - depth / most * (QUEUE - 14);
    points.push(`${x(ts).toFixed(1)},${y.toFixed(1)}`);
  }
  return `<polygon class="queue" points="${points.join(" ")}"/>\n` +
    `<text class="text" x="12" y="${top + 20}">waiting</text>\n` +
    `<text class="text" x="12" y="${top + 36}">(up to ${most})</text>`;
}

function isUrgent({ args }: TraceEvent): boolean {
  return args.priority === TaskPriority.CRITICAL;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

if (import.meta.main) {
  const [source, picture] = Deno.args;
  if (source === undefined) await drawExample();
  else {
    const timeline: Timeline = JSON.parse(await Deno.readTextFile(source));
    await Deno.writeTextFile(
      picture ?? `${source.replace(/\.json$/, "")}.svg`,
      drawTimeline(timeline, source),
    );
  }
}

/** Draws a run of examples/one_scheduler.ts into docs/timeline.svg. */
async function drawExample(): Promise<void> {
  const root = new URL("../", import.meta.url);
  const source = await Deno.makeTempFile();
  try {
    const { code } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--quiet", "--allow-read", "--allow-write", "--allow-net"],
        fromFileUrl(new URL("examples/one_scheduler.ts", root)),
        `--timeline=${source}`,
      ],
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    Deno.exitCode = code;
    if (code !== 0) return;
    // Where this copy lies is nobody's business: paths from its top.
    const here = JSON.stringify(fromFileUrl(root)).slice(1, -1);
    const text = (await Deno.readTextFile(source)).replaceAll(here, "");
    const picture = fromFileUrl(new URL("docs/timeline.svg", root));
    await Deno.writeTextFile(
      picture,
      drawTimeline(
        JSON.parse(text),
        "examples/one_scheduler.ts: five kinds of work on one runner with four slots",
      ),
    );
    await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--quiet", picture], // what is checked in is formatted
    }).output();
  } finally {
    await Deno.remove(source);
  }
}
