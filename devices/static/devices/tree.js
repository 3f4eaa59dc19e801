// The tree of organizations: a menu on every row that can be changed, and moving by dragging one row onto another.
// Dropping only opens the page that asks whether it is meant, so that a slip of the hand moves nothing.
(() => {
  "use strict";
  const MANY = 40; // Larger trees begin with their upper levels.
  const OPEN_AFTER = 700; // Milliseconds over a closed branch until it opens.
  const menu = document.getElementById("tree-menu");
  const nameOf = (branch) => branch.querySelector(".tree-name").textContent;
  const rowOf = (branch) => branch.querySelector(":scope > .tree-row");

  const addMenu = (branch) => {
    const made = menu.content.cloneNode(true);
    made.querySelector("[data-name]").textContent = nameOf(branch);
    for (const link of made.querySelectorAll("a")) link.href = link.getAttribute("href").replace("/0/", `/${branch.dataset.branch}/`);
    if (!("movable" in branch.dataset)) for (const step of made.querySelectorAll("[data-only]")) step.remove();
    rowOf(branch).append(made);
  };

  const toggle = (branch, open) => {
    const button = rowOf(branch).querySelector("[data-tree-toggle]");
    if (button && (button.getAttribute("aria-expanded") === "true") !== open) button.click();
  };

  // Dragging. `dragged` is the branch in the hand.
  let dragged = null;
  let opening = 0;

  const takes = (branch) =>
    dragged &&
    branch &&
    branch.dataset.tree === dragged.dataset.tree &&
    !dragged.contains(branch) &&
    dragged.parentElement.closest("[data-branch]") !== branch;

  const mark = (branch) => {
    for (const row of document.querySelectorAll(".tree-row.is-target")) row.classList.remove("is-target");
    window.clearTimeout(opening);
    if (!branch) return;
    rowOf(branch).classList.add("is-target");
    opening = window.setTimeout(() => toggle(branch, true), OPEN_AFTER);
  };

  const put = () => {
    dragged?.classList.remove("is-dragged");
    dragged = null;
    mark(null);
  };

  const drop = (target) => {
    const address = rowOf(dragged).querySelector("[data-move]").href;
    put();
    location.assign(`${address}?to=${target.dataset.branch}`);
  };

  const overRow = (event) => {
    const row = event.target instanceof Element && event.target.closest(".tree-row");
    return row ? row.closest("li") : null;
  };

  for (const tree of document.querySelectorAll("[data-organizations]")) {
    const branches = tree.querySelectorAll("[data-branch]");
    branches.forEach(addMenu);
    if (tree.querySelectorAll("li").length > MANY) {
      for (const deep of tree.querySelectorAll(":scope > li > ul > li")) toggle(deep, false);
    }
    for (const branch of tree.querySelectorAll("[data-movable]")) {
      rowOf(branch).draggable = true;
      rowOf(branch).querySelector(".tree-name").draggable = false; // A link would be dragged as an address.
    }
    tree.addEventListener("dragstart", (event) => {
      const branch = overRow(event);
      if (!branch || !("movable" in branch.dataset)) return;
      dragged = branch;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", nameOf(branch));
      branch.classList.add("is-dragged");
    });
    tree.addEventListener("dragend", put);
    tree.addEventListener("dragover", (event) => {
      const branch = overRow(event);
      const good = takes(branch);
      if (good) {
        event.preventDefault();
        event.dataTransfer.dropEffect = "move";
      }
      const marked = tree.querySelector(".tree-row.is-target");
      const row = good ? rowOf(branch) : null;
      if (marked !== row) mark(good ? branch : null);
    });
    tree.addEventListener("drop", (event) => {
      const branch = overRow(event);
      if (!takes(branch)) return;
      event.preventDefault();
      drop(branch);
    });
  }
})();
