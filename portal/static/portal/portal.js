// Small behaviours of every page. All are additions: pages work without them.
(() => {
  "use strict";
  const text = document.body.dataset;
  const announcer = document.getElementById("announcer");

  const announce = (sentence) => {
    announcer.textContent = "";
    // A live region speaks on change: the same sentence twice needs a moment of silence in between.
    window.setTimeout(() => (announcer.textContent = sentence), 50);
  };

  const icon = (name) => document.getElementById(`icon-${name}`).content.cloneNode(true);

  // Browsers do not send their time zone by themselves; the server says times in it.
  const zone = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `time_zone=${zone}; path=/; max-age=31536000; samesite=lax`;

  // Theme: light, dark, or like the device.
  const markTheme = () => {
    const chosen = window.portalTheme.chosen();
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
    }
  };
  markTheme();

  // Copy: [data-copy="selector"] copies the text of that element.
  const copyByHand = (element) => {
    const selection = window.getSelection();
    selection.selectAllChildren(element);
    try {
      return document.execCommand("copy"); // Where there is no clipboard API: plain http in a home network.
    } catch {
      return false;
    }
  };
  const copy = async (button) => {
    const source = document.querySelector(button.dataset.copy);
    if (!source) return;
    let done = false;
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      done = true;
    } catch {
      done = copyByHand(source);
    }
    const sentence = done ? text.textCopied : text.textCopyFailed;
    const label = button.querySelector("[data-copy-label]") || button;
    label.dataset.before ??= label.textContent;
    label.textContent = sentence;
    button.classList.toggle("is-copied", done);
    announce(sentence);
    window.clearTimeout(Number(button.dataset.timer));
    button.dataset.timer = window.setTimeout(() => {
      label.textContent = label.dataset.before;
      button.classList.remove("is-copied");
    }, 2500);
  };

  // Hide a key that was shown, without asking the server.
  const hideSecret = (link) => {
    const secret = document.querySelector(link.dataset.hideSecret);
    const masked = secret?.querySelector("template");
    if (!masked) return false;
    const content = masked.content.cloneNode(true);
    for (const shown of secret.querySelectorAll(".secret-value, .secret-actions, .secret-more, template")) shown.remove();
    secret.querySelector(".secret-label").after(content);
    window.htmx?.process(secret);
    secret.querySelector("button")?.focus();
    return true;
  };

  // Branches of a tree: [data-tree-toggle] opens and closes the list it controls.
  const toggleBranch = (button) => {
    const branch = document.getElementById(button.getAttribute("aria-controls"));
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    if (branch) branch.hidden = !open;
  };

  document.addEventListener("click", (event) => {
    const hit = event.target.closest("[data-copy], [data-hide-secret], [data-tree-toggle], [data-dismiss], [data-theme-choice], [data-print]");
    if (!hit) return;
    if (hit.dataset.copy) copy(hit);
    else if (hit.dataset.hideSecret) hideSecret(hit) && event.preventDefault();
    else if ("treeToggle" in hit.dataset) toggleBranch(hit);
    else if (hit.dataset.dismiss) hit.closest(hit.dataset.dismiss)?.remove();
    else if (hit.dataset.themeChoice) {
      window.portalTheme.choose(hit.dataset.themeChoice);
      markTheme();
    } else if ("print" in hit.dataset) window.print();
  });

  // Passwords: a button to look at what was typed.
  const addReveal = (input) => {
    if (input.closest(".password-field")) return;
    const wrap = document.createElement("div");
    wrap.className = "password-field";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-outline-secondary";
    const paint = (shown) => {
      button.replaceChildren(icon(shown ? "eye-slash" : "eye"), " ");
      button.append(shown ? text.textHide : text.textShow);
      button.setAttribute("aria-label", shown ? text.textHidePassword : text.textShowPassword);
      input.type = shown ? "text" : "password";
    };
    paint(false);
    button.addEventListener("click", () => paint(input.type === "password"));
    input.form?.addEventListener("submit", () => paint(false)); // Browsers offer to save a password only from a password field.
    input.before(wrap);
    wrap.append(input, button);
  };

  const enhance = (root) => {
    for (const input of root.querySelectorAll('input[type="password"].form-control')) addReveal(input);
  };
  enhance(document);
  document.addEventListener("htmx:load", (event) => enhance(event.detail.elt));

  // Choosing many: [data-choose-all="name"] in the head of a table, or in [data-choose-in], chooses all of that name in
  // it, [data-chosen="name"] says how many are chosen.
  const CHOOSE_IN = "table, [data-choose-in]";
  const chosenIn = (table, name) => [...table.querySelectorAll(`input[name="${name}"]`)];
  const countChosen = (head) => {
    const boxes = chosenIn(head.closest(CHOOSE_IN), head.dataset.chooseAll);
    const count = boxes.filter((box) => box.checked).length;
    head.checked = count > 0 && count === boxes.length;
    head.indeterminate = count > 0 && count < boxes.length;
    for (const place of document.querySelectorAll(`[data-chosen="${head.dataset.chooseAll}"]`)) {
      place.textContent = String(count);
      place.hidden = count === 0;
    }
  };
  for (const head of document.querySelectorAll("[data-choose-all]")) {
    const table = head.closest(CHOOSE_IN);
    table.addEventListener("change", (event) => {
      if (event.target === head) for (const box of chosenIn(table, head.dataset.chooseAll)) box.checked = head.checked;
      countChosen(head);
    });
    window.addEventListener("pageshow", () => countChosen(head)); // Browsers remember what was chosen.
  }

  // A form that came back with errors: begin at the first field that has one.
  document.querySelector(".has-error .is-invalid")?.focus();

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "true";
    // Not for ever: the answer may be a download, which leaves this page standing.
    window.setTimeout(() => delete form.dataset.sent, 5000);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // What htmx could not fetch is said where all messages are said.
  const say = (sentence) => {
    const notice = document.createElement("div");
    notice.className = "notice notice-error";
    notice.innerHTML = '<div class="notice-text"></div>';
    notice.prepend(icon("x-octagon-fill"));
    notice.querySelector(".notice-text").textContent = sentence;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "btn btn-quiet notice-close";
    close.dataset.dismiss = ".notice";
    close.append(icon("x-lg"), " ", text.textClose);
    notice.append(close);
    document.getElementById("messages").replaceChildren(notice);
  };
  document.addEventListener("allauth.error", (event) => {
    event.preventDefault(); // A passkey that was not found, or the person pressed Cancel.
    say(text.textPasskeyFailed);
    document.getElementById("messages").scrollIntoView({ block: "nearest" });
  });
  // A page that refreshes itself tries again anyway; nobody asked, so nothing is said.
  const inBackground = ({ detail }) =>
    detail.elt.matches("[data-live]") || (detail.requestConfig?.verb === "get" && !detail.requestConfig.triggeringEvent);
  document.addEventListener("htmx:responseError", (event) => inBackground(event) || say(text.textFailed));
  document.addEventListener("htmx:sendError", (event) => inBackground(event) || say(text.textOffline));
  // What goes from the page by itself may have the focus: it goes to what comes instead, else to the page, not to its top.
  let focused = null;
  document.addEventListener("htmx:oobBeforeSwap", ({ detail }) => {
    if (detail.target.contains(document.activeElement)) focused = document.activeElement;
  });
  document.addEventListener("htmx:afterRequest", () => {
    if (focused && !focused.isConnected) {
      const instead = (focused.id && document.getElementById(focused.id)) || document.getElementById("main");
      instead.focus({ preventScroll: true });
    }
    focused = null;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // The session ended: htmx followed the redirect and would put the log-in page into a corner of this one.
    const address = new URL(event.detail.xhr.responseURL || location.href, location.href);
    if (text.loginAddress && address.pathname === text.loginAddress) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
})();
