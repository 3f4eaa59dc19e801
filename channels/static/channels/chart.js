/* Draws charts of ThingSpeak feeds with uPlot. Loaded before this file: uPlot, chart-reading.js, chart-feed.js, chart-plot.js.
 *
 * Every element with `data-chart` and `data-feed-url` becomes a chart; also those that come into the page later. Its
 * data is fetched when it is on the screen or about to be.
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

  const { ChartFeed, colour, finite, isLight, make, moment, plotOptions, written, zone } = window.keydistChart;
  const TEXTS = {
    loading: "Loading …",
    empty: "No values yet.",
    "no-access": "This channel is not public. To see its chart, a read key of the channel is needed.",
    offline: "The data cannot be reached right now. Trying again …",
  };
  const charts = new Map();

  class Chart {
    constructor(element) {
      const set = element.dataset;
      this.element = element;
      this.type = set.type || "line";
      if (set.step === "true" && this.type === "line") this.type = "step";
      this.zone = zone(set.timezone);
      this.stopping = new AbortController();
      this.feed = new ChartFeed(element, (state) => {
        if (state !== "offline") this.draw();
        this.show(state);
      });
      this.build();
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
      this.plotBox.setAttribute("aria-label", set.title || set.yaxis || set.textLoading || TEXTS.loading);
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
      this.show("loading");
    }

    destroy() {
      this.stopping.abort();
      this.feed.stop();
      this.resizing.disconnect();
      this.plot?.destroy();
      this.frame.remove();
      for (const child of this.hidden) child.hidden = false;
      this.element.classList.remove("chart-drawn");
      charts.delete(this.element);
    }

    show(state) {
      const { element, note } = this;
      const key = `text${state.replace(/(^|-)(\w)/g, (_, __, letter) => letter.toUpperCase())}`;
      note.textContent = state === "ready" ? "" : element.dataset[key] || TEXTS[state];
      note.classList.toggle("is-over", state === "offline" && this.feed.count() > 0);
      element.dataset.chartState = state;
      element.dataset.chartPoints = String(this.feed.count());
      element.dispatchEvent(new CustomEvent("chart:state", { bubbles: true, detail: state }));
    }

    draw() {
      const drawn = this.feed.points.filter((point, i, all) => i === 0 || point[0] > all[i - 1][0]);
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
        this.plotBox.setAttribute("aria-label", `${label}: ${this.feed.count()}, ${written(last[2])} – ${moment(last[0], this.zone)}`);
      }
      if (this.plot) {
        this.plot.setData(data, !this.zoomed);
      } else {
        this.readColours();
        this.plot = new window.uPlot(plotOptions(this), data, this.plotBox);
        this.touch(this.plot.over);
      }
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
      make("span", "", tip).textContent = moment(point[0], this.zone);
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

  window.keydistChart.refresh = (element) => charts.get(element)?.feed.load(true);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
