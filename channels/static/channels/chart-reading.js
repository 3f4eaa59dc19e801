/* What charts write and read: numbers, colours, moments. First of the chart's files; see chart.js. */
(() => {
  "use strict";

  const DAY = 86400;
  const NUMBER = /^\s*[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?\s*$/;
  const COLOUR = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i;

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

  const inDigits = (value, least, most) =>
    new Intl.NumberFormat(language, { minimumFractionDigits: least, maximumFractionDigits: most, useGrouping: false }).format(value);

  /** A value with the digits that were sent, but for the endless ones of an average, and the page's decimal mark. */
  const written = (text) => {
    const plain = /^[-+]?\d{1,12}(?:[.,](\d*))?$/.exec(text);
    if (!plain) return text;
    const digits = (plain[1] || "").length;
    return digits > 6 ? inDigits(number(text), 0, 4) : inDigits(number(text), digits, digits);
  };

  /** The labels of a value axis with a tick every `step`: all with as many digits. */
  const values = (splits, step) => {
    const digits = Math.min(10, (/\.(\d+)$/.exec(String(step)) || ["", ""])[1].length);
    return splits.map((value) => inDigits(value, digits, Math.max(digits, 6)));
  };

  const make = (name, className, parent) => {
    const element = document.createElement(name);
    element.className = className;
    parent.append(element);
    return element;
  };

  /** A moment in full. */
  const moment = (seconds, timeZone) =>
    new Intl.DateTimeFormat(language, { timeZone, dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" })
      .format(seconds * 1000);

  /** The labels of a time axis with a tick every `step` seconds; the date where it changes, below the time or alone. */
  const ticks = (splits, step, timeZone, dateAlone) => {
    const format = (options) => new Intl.DateTimeFormat(language, { timeZone, ...options });
    const date = format(step >= 300 * DAY ? { year: "numeric" } : { day: "numeric", month: "short" });
    if (step >= DAY) return splits.map((seconds) => date.format(seconds * 1000));
    const time = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...(step < 60 && { second: "2-digit" }) });
    return splits.map((seconds, i) => {
      const text = time.format(seconds * 1000);
      const day = date.format(seconds * 1000);
      const changed = i === 0 ? step >= 3600 : day !== date.format(splits[i - 1] * 1000);
      if (!changed) return text;
      return dateAlone ? day : `${text}\n${day}`;
    });
  };

  window.keydistChart = { colour, number, finite, isLight, zone, written, values, make, moment, ticks, DAY };
})();
