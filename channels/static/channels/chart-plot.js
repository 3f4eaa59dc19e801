/* How a chart is drawn: its scales, axes, line or bars, as uPlot (window.uPlot) wants to be told. */
(() => {
  "use strict";

  const { finite, ticks, values } = window.keydistChart;

  const widthOf = (() => {
    const context = document.createElement("canvas").getContext("2d");
    return (text, font) => {
      context.font = font;
      return context.measureText(text).width;
    };
  })();

  /** The time axis: never of no length, and with room for the first and the last bar. */
  const range = (drawn, min, max, bars) => {
    // uPlot asks for years around a single value.
    if (drawn.length === 1) return [drawn[0][0] - 300, drawn[0][0] + 300];
    const room = bars ? ((max - min) / Math.max(1, drawn.length - 1)) * 0.6 : 0;
    return [min - room, max + room];
  };

  /** The value axis: from 0 for bars; around what is drawn for lines. */
  const valueRange = (min, max, bars) => {
    if (bars) return window.uPlot.rangeNum(Math.min(min, 0), Math.max(max, 0), 0.1, true);
    if (min < max) return window.uPlot.rangeNum(min, max, 0.1, true);
    // For a single value uPlot would start at 0, and what comes next would look like no change.
    const room = Math.max(1, Math.abs(min) * 0.05);
    return window.uPlot.rangeNum(min - room, max + room, 0, true);
  };

  /** What uPlot is to make of `chart` (see chart.js). */
  const plotOptions = (chart) => {
    const { uPlot } = window;
    const set = chart.element.dataset;
    const across = chart.type === "bar";
    const bars = across || chart.type === "column";
    const low = finite(set.yaxismin);
    const high = finite(set.yaxismax);
    const font = "12px system-ui, sans-serif";
    const { width, height } = chart.size();
    const roomy = width > 380 && height > 170;
    const grid = { stroke: () => chart.colours.grid, width: 1 };
    const axis = { stroke: () => chart.colours.soft, font, labelFont: font, labelSize: 20, grid, ticks: { show: false } };
    let widest = 0; // of the time axis's labels, in pixels
    const labels = (splits, step) => {
      const texts = ticks(splits, step, chart.zone, across);
      const lines = across ? [] : texts.flatMap((text) => text.split("\n"));
      widest = Math.max(0, ...lines.map((line) => widthOf(line, font)));
      return texts;
    };
    const paths = {
      spline: uPlot.paths.spline(),
      step: uPlot.paths.stepped({ align: 1 }),
      column: uPlot.paths.bars({ size: [0.8, 40], radius: 0.1 }),
      bar: uPlot.paths.bars({ size: [0.8, 40], radius: 0.1 }),
    };
    return {
      width,
      height,
      // The last label stands below the edge, half of it beyond.
      padding: [12, () => Math.max(24, Math.ceil(widest / 2) + 4), roomy ? 0 : 2, 4],
      legend: { show: false },
      tzDate: (seconds) => {
        const date = new Date(seconds * 1000);
        return chart.zone ? uPlot.tzDate(date, chart.zone) : date;
      },
      scales: {
        x: { time: true, ori: across ? 1 : 0, dir: across ? -1 : 1, range: (_, min, max) => range(chart.drawn, min, max, bars) },
        y: {
          ori: across ? 0 : 1,
          range: (_, min, max) => {
            const free = valueRange(min, max, bars);
            const ends = [low ?? free[0], high ?? free[1]];
            return ends[0] < ends[1] ? ends : free;
          },
        },
      },
      axes: [
        {
          ...axis,
          side: across ? 3 : 2,
          space: across ? 34 : 66,
          size: across ? 70 : 42,
          gap: across ? 5 : 9,
          label: roomy ? set.xaxis || null : null,
          values: (_, splits, __, ___, step) => labels(splits, step),
        },
        {
          ...axis,
          side: across ? 2 : 3,
          space: across ? 60 : 34,
          label: roomy ? set.yaxis || null : null,
          values: (_, splits, __, ___, step) => values(splits, step),
          size: (plot, labels) => {
            if (across) return 30;
            const longest = (labels || []).reduce((most, text) => Math.max(most, String(text ?? "").length), 1);
            return Math.max(Math.ceil(longest * 7 + 14), Math.ceil(widest / 2) - 4);
          },
        },
      ],
      series: [
        {},
        {
          stroke: () => chart.colours.line,
          fill: bars ? () => chart.colours.line : undefined,
          width: bars ? 0 : 2,
          paths: paths[chart.type],
          // Single points where they lie far apart, and where there is only one to see.
          points: { show: (plot, _, from, to) => !bars && to - from < plot.width / 24, size: 6, fill: () => chart.colours.line },
        },
      ],
      cursor: {
        x: !across,
        y: across,
        points: { size: 9, fill: () => chart.colours.line, stroke: () => chart.colours.ground, width: 2 },
        drag: { x: !across, y: across, setScale: true },
      },
      hooks: {
        setCursor: [() => chart.hover()],
        setSelect: [(plot) => { chart.zoomed = plot.select.width > 0 || plot.select.height > 0; }],
        ready: [(plot) => plot.over.addEventListener("dblclick", () => { chart.zoomed = false; })],
      },
    };
  };

  Object.assign(window.keydistChart, { plotOptions, valueRange });
})();
