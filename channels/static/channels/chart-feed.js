/* The data of a chart: fetched from `data-feed-url`, kept up to date, and as much of it as the address asks for. */
(() => {
  "use strict";

  const { DAY, number, finite } = window.keydistChart;
  const MOST_POINTS = 8000;
  const FETCH_TIMEOUT = 20_000;

  /** Tells `chart` by its `changed(state)`: ready | empty | no-access | offline. */
  class ChartFeed {
    constructor(element, changed) {
      const set = element.dataset;
      this.element = element;
      this.changed = changed;
      this.field = `field${set.field || 1}`;
      this.dynamic = set.dynamic === "true";
      this.period = Math.max(1, Number(set.update) || 15) * 1000;
      this.points = []; // [seconds, number or null, text, entry id], by time
      this.failures = 0;
      this.stopping = new AbortController();
      const { signal } = this.stopping;
      document.addEventListener("visibilitychange", () => document.hidden || this.hurry(), { signal });
      window.addEventListener("online", () => this.hurry(), { signal });
      // What is further away than a screen is not fetched before somebody comes near it, nor kept up to date.
      this.watching = new IntersectionObserver((seen) => this.see(seen.at(-1).isIntersecting), { rootMargin: "100% 0px" });
      this.watching.observe(element);
    }

    stop() {
      this.stopping.abort();
      this.watching.disconnect();
      clearTimeout(this.timer);
    }

    /** Whether somebody sees the chart, or nearly. */
    see(isNear) {
      this.isNear = isNear;
      if (this.begun) this.hurry();
      else if (isNear) this.load();
    }

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
      this.begun = true;
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
          this.changed("no-access");
        } else {
          this.take(feed, onlyNew);
        }
        this.failures = 0;
      } catch {
        if (this.stopping.signal.aborted) return;
        this.failures += 1;
        again = true;
        this.changed("offline");
      } finally {
        clearTimeout(patience);
        this.loading = false;
      }
      if (again) {
        const wait = this.failures ? Math.min(60_000, 2000 * 2 ** (this.failures - 1)) : this.period;
        this.timer = setTimeout(() => (document.hidden || !this.isNear ? (this.late = true) : this.load(this.failures === 0)), wait);
      }
    }

    /** Look at once if we should have looked while nobody could see us. */
    hurry() {
      if (this.loading || document.hidden || !this.isNear || !(this.late || this.failures)) return;
      this.late = false;
      this.load(this.failures === 0);
    }

    /** Take in what was answered: all of the feed, or what is new in it. */
    take(feed, onlyNew) {
      const known = onlyNew ? this.lastId() : 0;
      if (known && feed.channel && feed.channel.last_entry_id < known) {
        this.load(); // The channel was cleared: what we have is no longer there.
        return;
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
      this.changed(this.count() ? "ready" : "empty");
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
  }

  window.keydistChart.ChartFeed = ChartFeed;
})();
