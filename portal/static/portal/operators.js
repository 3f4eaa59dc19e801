/* Names for what Django's own scripts make without: fields that complete themselves, and explanations beside lists. */
"use strict";

function nameChoices() {
  document.querySelectorAll("select.admin-autocomplete[id]").forEach((select) => {
    const label = document.querySelector(`label[for="${select.id}"]`);
    const made = select.nextElementSibling;
    if (!label || !made?.classList.contains("select2")) return;
    const words = label.innerText.replace(/:$/, "");
    const chosen = made.querySelector(".select2-selection__rendered");
    const combobox = made.querySelector("[role=combobox]");
    label.id ||= `${select.id}_label`;
    // select2 names it by what is chosen alone.
    if (chosen?.id) combobox?.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
    combobox?.setAttribute("aria-label", words);
    made.querySelector("[role=textbox]")?.setAttribute("aria-label", words);
    made.querySelector("input.select2-search__field")?.setAttribute("aria-label", words);
  });
  // The list that drops down is hung below the body, with a field of its own.
  const open = document.querySelector(".select2-container--open .select2-search--dropdown input");
  const opener = document.querySelector(".select2-container--open [role=combobox]");
  if (open && opener) open.setAttribute("aria-label", opener.getAttribute("aria-label") ?? "");
  // What is hung below the body is in no landmark.
  document.querySelectorAll("body > .select2-container--open").forEach((list) => {
    list.setAttribute("role", "region");
    list.setAttribute("aria-label", opener?.getAttribute("aria-label") ?? "");
  });
  document.querySelectorAll("[role=combobox][aria-owns]").forEach((combobox) => {
    combobox.setAttribute("aria-controls", combobox.getAttribute("aria-owns"));
  });
  document.querySelectorAll("span.help-tooltip[aria-label]").forEach((help) => help.setAttribute("role", "img"));
  document.querySelectorAll("ul.select2-results__options:not([aria-label])").forEach((list) => {
    list.setAttribute("aria-label", opener?.getAttribute("aria-label") ?? "");
  });
}

window.addEventListener("load", () => {
  nameChoices();
  new MutationObserver(nameChoices).observe(document.body, { childList: true, subtree: true });
});
