/* Draws charts of ThingSpeak feeds with uPlot (window.uPlot, loaded before this file).
 *
 * Every element with `data-chart` and `data-feed-url` becomes a chart; also those that come into the page later.
 *
 *   data-feed-url    an address that answers a feed or field in ThingSpeak's JSON
 *   data-field       1…8 (default 1)
 *   data-title, data-xaxis, data-yaxis        texts; an absent one takes no room
 *   data-type        line | bar | column | spline | step (default line); data-step="true" is the same as step
 *   data-color, data-bgcolor   3 or 6 hex digits, with or without "#"; absent: the colours of the page
 *   data-yaxismin, data-yaxismax   fixed ends of the value axis
 *   data-width, data-height    pixels; absent or "auto": what the style sheet gives
 *   data-dynamic     "true": look for new entries every data-update seconds (default 15)
 *   data-timezone    IANA name; absent: the viewer's own
 *   data-text-empty, data-text-no-access, data-text-offline, data-text-loading   sentences instead of the English ones
 *
 * Whatever is inside the element (a table for browsers without JavaScript, say) is hidden while the chart is there.
 *
 * Afterwards the element carries data-chart-state (loading | ready | empty | no-access | offline) and
 * data-chart-points (how many values are drawn), and `window.keydistChart.refresh(element)` looks for new entries at
 * once. A "chart:state" event tells of each change.
 */
(() => {
  "use strict";

  const TEXTS = {
    loading: "Loading …",
    empty: "No values yet.",
    "no-access": "This channel is not public. To see its chart, a read key of the channel is needed.",
    offline: "The data cannot be reached right now. Trying again …",
  };
  const NUMBER = /^\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*$/;
  const COLOUR = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i;
  const DAY = 86400;
  const MOST_POINTS = 8000;
  const FETCH_TIMEOUT = 20_000;
  const charts = new Map();

  const colour = (text) => (COLOUR.test(text || "") ? `#${text.replace("#", "")}` : null);

  const number = (text) => {
    if (typeof text === "number") return Number.isFinite(text) ? text : null;
    if (typeof text !== "string" || !NUMBER.test(text)) return null;
    const value = Number(text.replace(",", "."));
    return Number.isFinite(value) ? value : null;
  };

  const finite = (text) => (text === undefined || text === "" || !Number.isFinite(Number(text)) ? null : Number(text));

  /** Whether dark ink is readable on this colour (W3C's relative luminance, roughly). */
  const isLight = (hex) => {
    const full = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(full.slice(i, i + 2), 16) / 255);
    return 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2 > 0.3;
  };

  const zone = (name) => {
    try {
      return name ? new Intl.DateTimeFormat(undefined, { timeZone: name }).resolvedOptions().timeZone : undefined;
    } catch {
      return undefined; // An unknown zone: the viewer's own is the best guess.
    }
  };

  /** The page's language, in the viewer's own kind of it: British dates for a British reader of English. */
  const language = (() => {
    const page = document.documentElement.lang || navigator.language;
    return navigator.languages.find((name) => name.split("-")[0] === page.split("-")[0]) || page;
  })();

  /** A value as it was sent, but for the endless digits of an average. */
  const written = (text) => {
    const decimals = /[.,](\d{7,})$/.test(text);
    return decimals ? String(Number(number(text).toFixed(4))).replace(".", text.includes(",") ? "," : ".") : text;
  };

  const make = (name, className, parent) => {
    const element = document.createElement(name);
    element.className = className;
    parent.append(element);
    return element;
  };

  class Chart {
    constructor(element) {
      this.element = element;
      const set = element.dataset;
      this.field = `field${set.field || 1}`;
      this.type = set.type || "line";
      if (set.step === "true" && this.type === "line") this.type = "step";
      this.dynamic = set.dynamic === "true";
      this.period = Math.max(1, Number(set.update) || 15) * 1000;
      this.zone = zone(set.timezone);
      this.points = []; // [seconds, number or null, text, entry id], by time
      this.failures = 0;
      this.stopping = new AbortController();
      this.build();
      this.load();
    }

    build() {
      const { element } = this;
      const set = element.dataset;
      this.hidden = [...element.children].filter((child) => child.tagName !== "NOSCRIPT" && !child.hidden);
      for (const child of this.hidden) child.hidden = true;
      element.classList.add("chart-drawn");
      this.frame = make("div", "chart-frame", element);
      if (set.title) make("div", "chart-title", this.frame).textContent = set.title;
      this.plotBox = make("div", "chart-plot", this.frame);
      this.plotBox.tabIndex = 0;
      this.plotBox.setAttribute("role", "img");
      this.note = make("p", "chart-note", this.frame);
      this.note.setAttribute("role", "status");
      this.tip = make("div", "chart-tip", this.plotBox);
      this.tip.hidden = true;
      for (const side of ["width", "height"]) {
        const pixels = finite(set[side]);
        if (!pixels) continue;
        element.style[side] = `${Math.min(pixels, 4000)}px`;
        element.style.flex = "none"; // where it stands in a row, the size that was asked for counts
      }
      const ground = colour(set.bgcolor);
      if (ground) {
        element.style.setProperty("--chart-ground", ground);
        element.style.setProperty("--chart-ink", isLight(ground) ? "#2a2521" : "#f2ede6");
        element.style.setProperty("--chart-soft", isLight(ground) ? "#5c544c" : "#c9c0b6");
        element.style.setProperty("--chart-grid", isLight(ground) ? "rgb(0 0 0 / 12%)" : "rgb(255 255 255 / 16%)");
      }
      const line = colour(set.color);
      if (line) element.style.setProperty("--chart-line", line);
      const { signal } = this.stopping;
      this.resizing = new ResizeObserver(() => this.resize());
      this.resizing.observe(this.plotBox);
      this.plotBox.addEventListener("keydown", (event) => this.walk(event), { signal });
      this.plotBox.addEventListener("blur", () => this.point(null), { signal });
      document.addEventListener("visibilitychange", () => document.hidden || this.hurry(), { signal });
      window.addEventListener("online", () => this.hurry(), { signal });
      this.show("loading");
    }

    destroy() {
      this.stopping.abort();
      clearTimeout(this.timer);
      this.resizing.disconnect();
      this.plot?.destroy();
      this.frame.remove();
      for (const child of this.hidden) child.hidden = false;
      this.element.classList.remove("chart-drawn");
      charts.delete(this.element);
    }

    // ---- data ----

    /** The address to ask: all of the feed, or only what came after the last entry we have. */
    address(onlyNew) {
      const url = new URL(this.element.dataset.feedUrl, document.baseURI);
      const last = this.lastId();
      if (onlyNew && last) url.searchParams.set("start_entry_id", last + 1);
      return url;
    }

    lastId() {
      return this.points.reduce((most, point) => Math.max(most, point[3] || 0), 0);
    }

    async load(onlyNew = false) {
      clearTimeout(this.timer);
      if (!this.element.isConnected) return this.destroy();
      this.loading = true;
      let again = this.dynamic;
      const asking = new AbortController();
      const patience = setTimeout(() => asking.abort(), FETCH_TIMEOUT);
      this.stopping.signal.addEventListener("abort", () => asking.abort(), { once: true, signal: asking.signal });
      try {
        const answer = await fetch(this.address(onlyNew), {
          headers: { Accept: "application/json" },
          credentials: "same-origin",
          signal: asking.signal,
        });
        const body = answer.status < 500 ? await answer.text() : "";
        if (answer.status >= 500 || answer.status === 429) throw new Error("later");
        const feed = answer.ok ? JSON.parse(body) : null;
        if (feed === null || !Array.isArray(feed.feeds)) {
          this.points = [];
          this.draw();
          this.show("no-access");
        } else {
          again = this.take(feed, onlyNew) || again;
        }
        this.failures = 0;
      } catch {
        if (this.stopping.signal.aborted) return undefined;
        this.failures += 1;
        again = true;
        this.show("offline");
      } finally {
        clearTimeout(patience);
        this.loading = false;
      }
      if (again) {
        const wait = this.failures ? Math.min(60_000, 2000 * 2 ** (this.failures - 1)) : this.period;
        this.timer = setTimeout(() => (document.hidden ? (this.late = true) : this.load(this.failures === 0)), wait);
      }
      return undefined;
    }

    /** Look at once if we should have looked while nobody could see us. */
    hurry() {
      if (this.loading || !(this.late || this.failures)) return;
      this.late = false;
      this.load(this.failures === 0);
    }

    /** Take in a feed; returns whether it must be fetched again as a whole. */
    take(feed, onlyNew) {
      const known = onlyNew ? this.lastId() : 0;
      if (known && feed.channel && feed.channel.last_entry_id < known) {
        this.load(); // The channel was cleared: what we have is no longer there.
        return false;
      }
      const fresh = [];
      for (const entry of feed.feeds) {
        const text = entry[this.field];
        const value = number(text);
        const seconds = Date.parse(entry.created_at) / 1000;
        const isStep = entry.entry_id === undefined;
        // A step of an average without values is a gap; an entry without a number is not there.
        if (Number.isNaN(seconds) || (value === null && !isStep)) continue;
        fresh.push([seconds, value, value === null ? "" : String(text).trim(), entry.entry_id || null]);
      }
      if (known && fresh.every((point) => point[3] !== null)) {
        const had = new Set(this.points.map((point) => point[3]));
        this.points.push(...fresh.filter((point) => !had.has(point[3])));
      } else {
        this.points = fresh;
      }
      this.points.sort((a, b) => a[0] - b[0]);
      this.trim();
      this.draw();
      this.show(this.count() ? "ready" : "empty");
      return false;
    }

    /** A living chart keeps as much as its address asks for: so many entries, so many days. */
    trim() {
      const asked = this.address(false).searchParams;
      const results = finite(asked.get("results") ?? undefined);
      const most = results === null ? (asked.has("days") || asked.has("start") ? MOST_POINTS : 100) : results;
      const days = finite(asked.get("days") ?? undefined);
      if (this.points.length && this.points[0][3] === null) return;
      if (days) {
        const since = Date.now() / 1000 - days * DAY;
        this.points = this.points.filter((point) => point[0] >= since);
      }
      if (this.points.length > most) this.points = this.points.slice(this.points.length - most);
    }

    count() {
      return this.points.filter((point) => point[1] !== null).length;
    }

    // ---- what is seen ----

    show(state) {
      const { element, note } = this;
      const key = `text${state.replace(/(^|-)(\w)/g, (_, __, letter) => letter.toUpperCase())}`;
      note.textContent = state === "ready" ? "" : element.dataset[key] || TEXTS[state];
      note.classList.toggle("is-over", state === "offline" && this.count() > 0);
      element.dataset.chartState = state;
      element.dataset.chartPoints = String(this.count());
      element.dispatchEvent(new CustomEvent("chart:state", { bubbles: true, detail: state }));
    }

    draw() {
      const drawn = this.points.filter((point, i, all) => i === 0 || point[0] > all[i - 1][0]);
      this.drawn = drawn;
      const data = [drawn.map((point) => point[0]), drawn.map((point) => point[1])];
      this.plotBox.hidden = !drawn.length;
      if (!drawn.length) {
        this.plot?.destroy();
        this.plot = null;
        return;
      }
      const last = drawn.findLast((point) => point[1] !== null);
      const label = this.element.dataset.yaxis || this.element.dataset.title || "";
      if (last) {
        this.plotBox.setAttribute("aria-label", `${label}: ${this.count()}, ${written(last[2])} – ${this.moment(last[0])}`);
      }
      if (this.plot) {
        this.plot.setData(data, !this.zoomed);
      } else {
        this.readColours();
        this.plot = new window.uPlot(this.options(), data, this.plotBox);
        this.touch(this.plot.over);
      }
    }

    options() {
      const { uPlot } = window;
      const set = this.element.dataset;
      const across = this.type === "bar";
      const bars = across || this.type === "column";
      const low = finite(set.yaxismin);
      const high = finite(set.yaxismax);
      const font = "12px system-ui, sans-serif";
      const { width, height } = this.size();
      const roomy = width > 380 && height > 170;
      const grid = { stroke: () => this.colours.grid, width: 1 };
      const axis = { stroke: () => this.colours.soft, font, labelFont: font, labelSize: 20, grid, ticks: { show: false } };
      const paths = {
        spline: uPlot.paths.spline(),
        step: uPlot.paths.stepped({ align: 1 }),
        column: uPlot.paths.bars({ size: [0.8, 40], radius: 0.1 }),
        bar: uPlot.paths.bars({ size: [0.8, 40], radius: 0.1 }),
      };
      return {
        width,
        height,
        padding: [12, 24, roomy ? 0 : 2, 4],
        legend: { show: false },
        tzDate: (seconds) => {
          const date = new Date(seconds * 1000);
          return this.zone ? uPlot.tzDate(date, this.zone) : date;
        },
        scales: {
          x: { time: true, ori: across ? 1 : 0, dir: across ? -1 : 1, range: (_, min, max) => this.range(min, max, bars) },
          y: {
            ori: across ? 0 : 1,
            range: (_, min, max) => {
              const free = uPlot.rangeNum(bars ? Math.min(min, 0) : min, bars ? Math.max(max, 0) : max, 0.1, true);
              const ends = [low ?? free[0], high ?? free[1]];
              return ends[0] < ends[1] ? ends : free;
            },
          },
        },
        axes: [
          {
            ...axis,
            side: across ? 3 : 2,
            space: across ? 34 : 76,
            size: across ? 70 : 34,
            label: roomy ? set.xaxis || null : null,
            values: (_, splits, __, ___, step) => this.ticks(splits, step),
          },
          {
            ...axis,
            side: across ? 2 : 3,
            space: across ? 60 : 34,
            label: roomy ? set.yaxis || null : null,
            size: (plot, values) => {
              if (across) return 30;
              const longest = (values || []).reduce((most, text) => Math.max(most, String(text ?? "").length), 1);
              return Math.ceil(longest * 7 + 14);
            },
          },
        ],
        series: [
          {},
          {
            stroke: () => this.colours.line,
            fill: bars ? () => this.colours.line : undefined,
            width: bars ? 0 : 2,
            paths: paths[this.type],
            // Single points where they lie far apart, and where there is only one to see.
            points: { show: (plot, _, from, to) => !bars && to - from < plot.width / 24, size: 6, fill: () => this.colours.line },
          },
        ],
        cursor: {
          x: !across,
          y: across,
          points: { size: 9, fill: () => this.colours.line, stroke: () => this.colours.ground, width: 2 },
          drag: { x: !across, y: across, setScale: true },
        },
        hooks: {
          setCursor: [() => this.hover()],
          setSelect: [(plot) => { this.zoomed = plot.select.width > 0 || plot.select.height > 0; }],
          ready: [(plot) => plot.over.addEventListener("dblclick", () => { this.zoomed = false; })],
        },
      };
    }

    /** The time axis: never of no length, and with room for the first and the last bar. */
    range(min, max, bars) {
      // uPlot asks for years around a single value.
      if (this.drawn.length === 1) return [this.drawn[0][0] - 300, this.drawn[0][0] + 300];
      const room = bars ? ((max - min) / Math.max(1, this.drawn.length - 1)) * 0.6 : 0;
      return [min - room, max + room];
    }

    ticks(splits, step) {
      const format = (options) => new Intl.DateTimeFormat(language, { timeZone: this.zone, ...options });
      const date = format(step >= 300 * DAY ? { year: "numeric" } : { day: "numeric", month: "short" });
      if (step >= DAY) return splits.map((seconds) => date.format(seconds * 1000));
      const time = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(step < 60 && { second: "2-digit" }) });
      return splits.map((seconds, i) => {
        const text = time.format(seconds * 1000);
        const day = date.format(seconds * 1000);
        const changed = i === 0 ? step >= 3600 : day !== date.format(splits[i - 1] * 1000);
        if (!changed) return text;
        return this.type === "bar" ? day : `${text}\n${day}`;
      });
    }

    moment(seconds) {
      return new Intl.DateTimeFormat(language, { timeZone: this.zone, dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" })
        .format(seconds * 1000);
    }

    size() {
      return { width: Math.max(this.plotBox.clientWidth, 80), height: Math.max(this.plotBox.clientHeight, 80) };
    }

    resize() {
      const { width, height } = this.size();
      if (!this.plot || (this.plot.width === width && this.plot.height === height)) return;
      // Labels of the axes come and go with the room there is, and only a new plot asks for them.
      const wasRoomy = this.plot.width > 380 && this.plot.height > 170;
      if (wasRoomy !== (width > 380 && height > 170)) {
        this.plot.destroy();
        this.plot = null;
        this.draw();
      } else {
        this.plot.setSize({ width, height });
      }
    }

    readColours() {
      const style = getComputedStyle(this.element);
      const read = (name, otherwise) => style.getPropertyValue(`--chart-${name}`).trim() || otherwise;
      this.colours = {
        line: read("line", "#d62020"),
        ink: read("ink", "#2a2521"),
        soft: read("soft", "#5c544c"),
        grid: read("grid", "#e6ded3"),
        ground: read("ground", "#ffffff"),
      };
    }

    recolour() {
      this.readColours();
      this.plot?.redraw(false);
    }

    // ---- looking closer ----

    hover() {
      const { plot, tip } = this;
      const point = plot && plot.cursor.idx !== null && plot.cursor.idx !== undefined ? this.drawn[plot.cursor.idx] : null;
      if (!point || point[1] === null || plot.cursor.left < 0) {
        tip.hidden = true;
        return;
      }
      tip.replaceChildren();
      make("strong", "", tip).textContent = written(point[2]);
      make("span", "", tip).textContent = this.moment(point[0]);
      tip.hidden = false;
      const across = this.type === "bar";
      const x = plot.over.offsetLeft + plot.valToPos(across ? point[1] : point[0], across ? "y" : "x");
      const y = plot.over.offsetTop + plot.valToPos(across ? point[0] : point[1], across ? "x" : "y");
      const left = Math.min(Math.max(x - tip.offsetWidth / 2, 2), this.plotBox.clientWidth - tip.offsetWidth - 2);
      const above = y - tip.offsetHeight - 12;
      tip.style.left = `${left}px`;
      tip.style.top = `${above > 0 ? above : y + 14}px`;
    }

    /** A finger on the chart points, sideways; up and down still scroll the page. */
    touch(over) {
      const follow = (event) => {
        if (event.pointerType === "mouse") return;
        const box = over.getBoundingClientRect();
        this.plot?.setCursor({ left: event.clientX - box.left, top: event.clientY - box.top });
      };
      over.addEventListener("pointerdown", follow);
      over.addEventListener("pointermove", follow);
    }

    walk(event) {
      const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity, Escape: 0 }[event.key];
      if (steps === undefined || !this.plot) return;
      event.preventDefault();
      if (steps === 0) return void this.point(null);
      const end = this.drawn.length - 1;
      const from = this.at ?? (steps < 0 ? end + 1 : -1);
      this.point(Math.min(Math.max(from + steps, 0), end));
    }

    point(index) {
      this.at = index;
      if (!this.plot) return;
      if (index === null) return void this.plot.setCursor({ left: -10, top: -10 });
      const [seconds, value] = this.drawn[index];
      const across = this.type === "bar";
      const along = this.plot.valToPos(seconds, "x");
      const high = this.plot.valToPos(value ?? 0, "y");
      this.plot.setCursor(across ? { left: high, top: along } : { left: along, top: high });
    }
  }

  const find = (root) => {
    const found = root.querySelectorAll?.("[data-chart][data-feed-url]") ?? [];
    for (const element of root.matches?.("[data-chart][data-feed-url]") ? [root, ...found] : found) {
      if (!charts.has(element)) charts.set(element, new Chart(element));
    }
  };

  const start = () => {
    find(document);
    // htmx and everything else that puts elements into the page.
    new MutationObserver((changes) => {
      for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) find(node);
      for (const element of [...charts.keys()]) if (!element.isConnected) charts.get(element).destroy();
    }).observe(document.body, { childList: true, subtree: true });
    const recolour = () => requestAnimationFrame(() => charts.forEach((chart) => chart.recolour()));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-bs-theme", "class"] });
  };

  window.keydistChart = { refresh: (element) => charts.get(element)?.load(true) };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
