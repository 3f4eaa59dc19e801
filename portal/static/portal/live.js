// Pages that keep themselves up to date: [data-live] asks the portal every 20 seconds, by htmx, and when "look" is sent to it.
(() => {
  "use strict";
  const text = document.body.dataset;
  const messages = document.getElementById("messages");
  let seen = Date.now(); // When what the page shows was true.
  let stale = null; // The notice that it is not any more.

  const clock = (moment) =>
    new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: text.timeZone })
      .format(moment);

  const tell = () => {
    if (stale?.isConnected) return;
    stale = document.createElement("div");
    stale.className = "notice notice-warning notice-stale";
    stale.setAttribute("role", "status");
    const sentence = document.createElement("div");
    sentence.className = "notice-text";
    sentence.textContent = text.textStale.replace("{time}", clock(seen));
    stale.append(document.getElementById("icon-wifi-off").content.cloneNode(true), sentence);
    messages.before(stale);
  };

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.elt.matches("[data-live]")) return;
    if (detail.successful) {
      seen = Date.now();
      stale?.remove();
    } else if (detail.xhr.status === 404) {
      location.reload(); // It is not theirs to see any more; the page that says so comes instead.
    } else {
      tell();
    }
  });

  // A phone that comes out of a pocket, or back into the network, shows at once what is true now.
  const look = () => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("[data-live]")) window.htmx.trigger(element, "look");
  };
  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", look);
  window.addEventListener("offline", tell);
  window.addEventListener("pageshow", (event) => event.persisted && look());
})();
