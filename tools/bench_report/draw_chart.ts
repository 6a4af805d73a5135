/**
 * A chart of one group: a bar for each row, the shortest on top, ours in another colour.
 *
 * @module
 */
import * as echarts from "echarts";
import type { Group, Row } from "./results.ts";

/** Readable in a light and in a dark page: the colours below are put in their place. */
const STYLE = `<style>
@media (prefers-color-scheme: dark) {
  [fill="#ffffff"] { fill: #0d1117; }
  text { fill: #e2e8f0 !important; }
  [stroke="#e2e8f0"] { stroke: #334155; }
  [fill="#94a3b8"] { fill: #475569; }
}
</style>`;

/** The row that the others are compared with. */
export function baseOf({ rows }: Group): Row | undefined {
  return rows.find((row) => row.isBaseline) ?? rows[0];
}

/** Milliseconds, as a reader likes them. */
export function showTime(milliseconds: number): string {
  if (milliseconds === 0) return "0";
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(2)} s`;
  if (milliseconds >= 1) return `${shown(milliseconds)} ms`;
  if (milliseconds >= 1e-3) return `${shown(milliseconds * 1e3)} µs`;
  return `${shown(milliseconds * 1e6)} ns`;
}

/** Three digits that mean something. */
function shown(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** The chart as SVG. */
export function drawChart(group: Group): string {
  const rows = group.rows.toSorted((a, b) => b.time - a.time);
  const base = baseOf(group);
  const spread = (rows[0]?.time ?? 1) / (rows.at(-1)?.time ?? 1);
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: 760,
    height: 70 + 30 * rows.length,
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: group.name, left: 8, textStyle: { fontSize: 14 } },
    grid: { left: 290, right: 90, top: 36, bottom: 24 },
    // A peer that is a hundred times slower would leave the others no length.
    xAxis: {
      type: spread > 40 ? "log" : "value",
      min: spread > 40 ? (rows.at(-1)?.time ?? 1) / 2 : 0,
      axisLabel: {
        formatter: (value: number) => showTime(value),
        hideOverlap: true,
      },
      splitLine: { lineStyle: { color: "#e2e8f0" } },
    },
    yAxis: {
      type: "category",
      data: rows.map(({ name }) => name),
      axisLabel: { width: 270, overflow: "truncate" },
      axisTick: { show: false },
    },
    series: [{
      type: "bar",
      barWidth: 16,
      label: {
        show: true,
        position: "right",
        formatter: ({ dataIndex }: { dataIndex: number }) =>
          showTime(rows[dataIndex]?.time ?? 0),
      },
      data: rows.map((row) => ({
        value: row.time,
        itemStyle: { color: row === base ? "#3b82f6" : "#94a3b8" },
      })),
    }],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg.replace(/(<svg[^>]*>)/, (tag) => `${tag}\n${STYLE}`) + "\n";
}
