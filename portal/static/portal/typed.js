// What somebody typed into a form while their log-in had run out is offered again after the next log-in.
// It is kept in this tab alone, until the next page that is not part of logging in, and only of forms over what exists
// already (they carry what their reader saw): none of those has a secret in it.
(() => {
  "use strict";
  const KEY = "typed";
  const MARKS = ["seen", "replaces"];
  const { person, loginAddress, textTypedAgain } = document.body.dataset;
  const pathOf = (address) => {
    const { pathname, search } = new URL(address, window.location.href);
    return pathname + search;
  };
  const addressOf = (form) => pathOf(form.getAttribute("action") || "");
  const isOverSomething = (form) => MARKS.some((name) => form.elements.namedItem(name));
  const isKept = ({ name, type }) =>
    name && (MARKS.includes(name) || !["hidden", "password", "file", "submit", "button"].includes(type));

  const read = () => {
    try {
      return JSON.parse(window.sessionStorage.getItem(KEY));
    } catch {
      return null;
    }
  };
  const write = (kept) => {
    try {
      if (kept) window.sessionStorage.setItem(KEY, JSON.stringify(kept));
      else window.sessionStorage.removeItem(KEY);
    } catch {
      // No storage, or none left: then the form is empty afterwards, as it would be without this.
    }
  };

  const fill = (form, values) => {
    for (const field of form.elements) {
      if (!isKept(field)) continue;
      const typed = values.filter(([name]) => name === field.name).map(([, value]) => value);
      if (field.type === "checkbox" || field.type === "radio") field.checked = typed.includes(field.value);
      else if (field.options) for (const option of field.options) option.selected = typed.includes(option.value);
      else if (typed.length) field.value = typed[0];
    }
  };
  const say = (form) => {
    const notice = document.createElement("div");
    notice.className = "notice notice-info";
    notice.tabIndex = -1;
    const sentence = document.createElement("div");
    sentence.className = "notice-text";
    sentence.textContent = textTypedAgain;
    notice.append(document.getElementById("icon-arrow-counterclockwise").content.cloneNode(true), sentence);
    form.prepend(notice);
    notice.focus();
  };

  if (person) {
    document.addEventListener("submit", ({ target: form }) => {
      if (form.method !== "post" || !isOverSomething(form)) return;
      const names = new Set([...form.elements].filter(isKept).map(({ name }) => name));
      const values = [...new FormData(form)].filter(([name]) => names.has(name));
      write({ person, address: addressOf(form), values });
    });
  }

  const kept = read();
  if (!kept) return;
  if (!person) {
    const next = new URLSearchParams(window.location.search).get("next");
    const isAsked = kept.isAsked || (window.location.pathname === loginAddress && next === kept.address);
    write(isAsked ? { ...kept, isAsked } : null);
    return;
  }
  write(null);
  if (!kept.isAsked || kept.person !== person || kept.address !== pathOf("")) return;
  const form = [...document.forms].find((one) => isOverSomething(one) && addressOf(one) === kept.address);
  if (!form) return;
  fill(form, kept.values);
  say(form);
})();
