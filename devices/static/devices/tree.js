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

  const branchAt = (element) => (element instanceof Element && element.closest(".tree-row")?.closest("li")) || null;
  const overRow = (event) => branchAt(event.target);

  // Browsers drag with a mouse only. With a finger or a pen a row is dragged by its grip; anywhere else they scroll.
  const EDGE = 64; // Pixels from the screen's edge where the page begins to move along.
  const grip = document.getElementById("tree-grip");
  const addGrip = (branch) => {
    rowOf(branch).querySelector(".tree-actions").before(grip.content.cloneNode(true));
    const handle = rowOf(branch).querySelector(".tree-grip");
    let ghost = null;
    let target = null;
    let at = null;
    let moving = 0;

    const follow = () => {
      ghost.style.transform = `translate(${at.x + 12}px, ${at.y - 52}px)`;
      const under = branchAt(document.elementFromPoint(at.x, at.y));
      const good = takes(under) ? under : null;
      if (good !== target) mark((target = good));
    };
    const scroll = () => {
      const down = Math.max(0, at.y - window.innerHeight + EDGE) - Math.max(0, EDGE - at.y);
      if (down) window.scrollBy(0, down / 6);
      follow();
      moving = requestAnimationFrame(scroll);
    };
    const end = (meant) => {
      if (!ghost) return;
      cancelAnimationFrame(moving);
      ghost.remove();
      ghost = null;
      const goal = target;
      target = null;
      if (meant && goal) drop(goal);
      else put();
    };
    handle.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse" || dragged) return;
      event.preventDefault();
      handle.setPointerCapture(event.pointerId);
      dragged = branch;
      branch.classList.add("is-dragged");
      at = { x: event.clientX, y: event.clientY };
      ghost = document.createElement("div");
      ghost.className = "tree-ghost";
      ghost.textContent = nameOf(branch);
      document.body.append(ghost);
      scroll();
    });
    handle.addEventListener("pointermove", (event) => {
      if (ghost) at = { x: event.clientX, y: event.clientY };
    });
    handle.addEventListener("pointerup", (event) => {
      if (!ghost) return;
      at = { x: event.clientX, y: event.clientY };
      follow();
      end(true);
    });
    handle.addEventListener("pointercancel", () => end(false));
    handle.addEventListener("contextmenu", (event) => event.preventDefault()); // What a long press opens.
  };

  for (const tree of document.querySelectorAll("[data-organizations]")) {
    const branches = tree.querySelectorAll("[data-branch]");
    branches.forEach(addMenu);
    if ("narrowed" in tree.dataset) {
      for (const branch of tree.querySelectorAll("[data-closed]")) toggle(branch, false);
    } else if (tree.querySelectorAll("li").length > MANY) {
      for (const deep of tree.querySelectorAll(":scope > li > ul > li")) toggle(deep, false);
    }
    for (const branch of tree.querySelectorAll("[data-movable]")) {
      rowOf(branch).draggable = true;
      rowOf(branch).querySelector(".tree-name").draggable = false; // A link would be dragged as an address.
      addGrip(branch);
    }
    tree.addEventListener("dragstart", (event) => {
      const branch = overRow(event);
      if (dragged) event.preventDefault(); // By its grip already; a long press means the other kind, too.
      if (dragged || !branch || !("movable" in branch.dataset)) return;
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
