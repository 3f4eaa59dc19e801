// Runs in <head> before anything is drawn, so that no page flashes in the wrong colours.
(() => {
  "use strict";
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto"; // Storage can be switched off; then the theme follows the system.
    }
  };
  const apply = () => {
    const choice = chosen();
    const dark = choice === "dark" || (choice !== "light" && system.matches);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    document.documentElement.dispatchEvent(new CustomEvent("themechange", { bubbles: true }));
  };
  document.documentElement.classList.add("js");
  system.addEventListener("change", apply);
  window.addEventListener("storage", apply);
  apply();
  window.portalTheme = {
    chosen,
    choose(choice) {
      try {
        localStorage.setItem("theme", choice);
      } catch {
        document.documentElement.dataset.bsTheme = choice === "dark" ? "dark" : "light";
        return;
      }
      apply();
    },
  };
})();
