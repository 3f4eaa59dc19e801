// Menus: the bar's on a phone, those that drop down from a button, and those that are <details>.
// Written here because Bootstrap's script for it weighs more than all other scripts of a page together.
//
//   <button data-toggle="#id" aria-expanded="false">      opens and closes an element of class "collapse"
//   <button data-menu aria-expanded="false">, followed by <ul class="dropdown-menu">
(() => {
  "use strict";
  const isOpen = (button) => button.getAttribute("aria-expanded") === "true";
  const menuOf = (button) => button.nextElementSibling;

  const set = (button, target, open) => {
    button.setAttribute("aria-expanded", String(open));
    target.classList.toggle("show", open);
  };

  const closeOthers = (inside) => {
    for (const button of document.querySelectorAll('[data-menu][aria-expanded="true"]')) {
      if (!button.parentElement.contains(inside)) set(button, menuOf(button), false);
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(inside)) menu.open = false;
    }
  };

  document.addEventListener("click", (event) => {
    closeOthers(event.target);
    const button = event.target.closest("[data-menu], [data-toggle]");
    if (!button) return;
    const target = button.dataset.toggle ? document.querySelector(button.dataset.toggle) : menuOf(button);
    set(button, target, !isOpen(button));
  });

  document.addEventListener("focusin", (event) => closeOthers(event.target));

  const closeAround = (element) => {
    const details = element.closest("details.menu[open]");
    const button = element.closest(".dropdown")?.querySelector('[data-menu][aria-expanded="true"]');
    if (details) details.open = false;
    if (button) set(button, menuOf(button), false);
    (details?.querySelector("summary") || button)?.focus();
  };

  // Up and down go through an open menu, and open one.
  const step = (event, down) => {
    const around = event.target.closest(".dropdown, details.menu");
    if (!around) return;
    const opener = around.querySelector(":scope > [data-menu], :scope > summary");
    if (event.target === opener && down) {
      if (opener.matches("summary")) around.open = true;
      else set(opener, menuOf(opener), true);
    }
    const items = [...around.querySelectorAll("ul a[href], ul button")].filter((item) => item.offsetParent !== null);
    if (!items.length) return;
    event.preventDefault();
    const at = items.indexOf(event.target);
    const next = at < 0 ? (down ? 0 : items.length - 1) : (at + (down ? 1 : -1) + items.length) % items.length;
    items[next].focus();
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeAround(event.target);
    else if (event.key === "ArrowDown") step(event, true);
    else if (event.key === "ArrowUp") step(event, false);
  });
})();
