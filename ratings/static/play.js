// SPDX-License-Identifier: Apache-2.0
// A game's page made live. The page works without this: every deed is a form, every state a page. What is done here:
// forms are sent without leaving the page, parts of it are exchanged when the server says that the game has changed,
// the keyboard moves over the board, small boards are played by one tap and large ones by two, and a line of moves is
// drawn while the pointer rests on it.
"use strict";

(() => {
  const game = document.getElementById("play");
  if (!game) return;
  const url = game.dataset.url;
  const size = Number(game.dataset.size);
  const CELL = 24, MARGIN = 30, COLUMNS = "ABCDEFGHJKLMNOPQRST";  // as the server draws boards
  const SMALLEST_TARGET = 30;  // pixels; fingers need a second tap on smaller points
  const confirmation = document.getElementById("play-confirm");
  let stream = null, fetching = false, again = false, aimed = null, poll = 0;

  const part = (name, root = document) => root.querySelector(`[data-part="${name}"]`);
  const buttons = () => [...game.querySelectorAll(".play-grid button")];

  // Exchanges what differs; keeps the focus where it was, and open what was open.
  function show(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    if (!fresh.getElementById("play")) {
      location.reload();
      return;
    }
    document.title = fresh.title;
    game.dataset.version = fresh.getElementById("play").dataset.version;
    for (const old of document.querySelectorAll("[data-part]")) {
      const next = part(old.dataset.part, fresh);
      if (!next || next.outerHTML === old.outerHTML) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement : null;
      const isOpen = old.querySelector("details")?.open;
      old.replaceChildren(...next.childNodes);
      old.className = next.className;
      if (isOpen) old.querySelector("details")?.setAttribute("open", "");
      if (focused) refocus(old, focused);
    }
    if (aimed && !aimed.isConnected) aim(buttons().find((button) => button.value === aimed.value) ?? null);
    walkable();
  }

  function refocus(root, old) {
    const value = old.getAttribute("value");
    const found = [...root.querySelectorAll("button")].find(
      (button) => !button.disabled && ((value && button.value === value) || button.dataset.key === (old.dataset.key ?? "-"))
    );
    const grid = root.querySelector(".play-grid");
    if (found) found.focus({ preventScroll: true });
    else if (grid) { grid.tabIndex = -1; grid.focus({ preventScroll: true }); }
  }

  async function refresh() {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      do {
        again = false;
        const response = await fetch(url, { headers: { accept: "text/html" } });
        show(await response.text());
      } while (again);
    } catch {
      lost();
    } finally {
      fetching = false;
    }
  }

  function lost() {
    const status = part("status");
    if (status) status.textContent = "The dashboard does not answer; trying again…";
  }

  async function send(form, submitter) {
    const fields = new URLSearchParams(new FormData(form));
    if (submitter?.name) fields.set(submitter.name, submitter.value);
    try {
      const response = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "text/html" } });
      show(await response.text());
    } catch {
      lost();
      form.classList.remove("sent");
    }
  }

  game.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = event.submitter?.dataset.sure;
    if (question && !window.confirm(question)) return;
    if (event.target.classList.contains("play-grid")) {
      event.target.classList.add("sent");
      event.submitter?.classList.add("played");
    }
    send(event.target, event.submitter);
  });

  // Fingers: a first tap aims where points are small, the second plays.
  function aim(button) {
    aimed?.classList.remove("aimed");
    aimed = button;
    button?.classList.add("aimed");
    confirmation.hidden = !button;
    if (button) confirmation.querySelector("button").textContent = `Play ${button.value}`;
  }
  let byFinger = false;
  game.addEventListener("pointerdown", (event) => { byFinger = event.pointerType === "touch"; });
  game.addEventListener("click", (event) => {
    const button = event.target.closest(".play-grid button");
    if (!button || !byFinger || button === aimed || button.offsetWidth >= SMALLEST_TARGET) return;
    event.preventDefault();
    aim(button);
  });
  confirmation.querySelector("button").addEventListener("click", () => {
    if (aimed) aimed.form.requestSubmit(aimed);
  });

  // The keyboard: one point is in the tab order, arrows move from point to point.
  function walkable() {
    const all = buttons();
    if (!all.length) return;
    const current = all.find((button) => button === document.activeElement) ?? nearest(all, (size - 1) / 2, (size - 1) / 2);
    for (const button of all) button.tabIndex = button === current ? 0 : -1;
  }
  const where = (vertex) => [COLUMNS.indexOf(vertex[0]), size - Number(vertex.slice(1))];
  function nearest(all, x, y) {
    const distance = (button) => { const [a, b] = where(button.value); return Math.hypot(a - x, b - y); };
    return all.reduce((best, button) => (distance(button) < distance(best) ? button : best));
  }
  function step(from, dx, dy) {
    const [x, y] = where(from.value);
    const ahead = buttons().filter((button) => {
      const [a, b] = where(button.value);
      return dx ? (a - x) * dx > 0 : (b - y) * dy > 0;
    });
    if (!ahead.length) return;
    const cost = (button) => {
      const [a, b] = where(button.value);
      const along = Math.abs(dx ? a - x : b - y), aside = Math.abs(dx ? b - y : a - x);
      return along + 3 * aside;
    };
    const next = ahead.reduce((best, button) => (cost(button) < cost(best) ? button : best));
    from.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea")) return;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const all = buttons();
      if (!all.length) return;
      event.preventDefault();
      const focused = all.find((button) => button === document.activeElement);
      if (focused) step(focused, ...arrow);
      else nearest(all, (size - 1) / 2, (size - 1) / 2).focus();
      return;
    }
    game.querySelector(`button[data-key="${CSS.escape(event.key.toLowerCase())}"]:enabled`)?.click();
  });

  // A line of moves, drawn with numbers while the pointer, or the focus, is on it.
  const SVG = "http://www.w3.org/2000/svg";
  function draw(line, color) {
    const overlay = game.querySelector(".play-overlay");
    const group = overlay?.querySelector(".line");
    if (!group) return;
    const drawn = [];
    line.forEach((vertex, index) => {
      if (vertex === "pass") return;
      const [column, row] = where(vertex);
      const side = (index % 2 === 0) === (color === "black") ? "black" : "white";
      const circle = document.createElementNS(SVG, "circle");
      const text = document.createElementNS(SVG, "text");
      for (const [element, more] of [[circle, { class: side, r: 11.2, cx: 0, cy: 0 }], [text, { class: `on-${side}`, x: 0, y: 0 }]]) {
        for (const [name, value] of Object.entries(more)) element.setAttribute(name, value);
        element.setAttribute("transform", `translate(${MARGIN + CELL * column} ${MARGIN + CELL * row})`);
      }
      text.textContent = index + 1;
      drawn.push(circle, text);
    });
    group.replaceChildren(...drawn);
    overlay.classList.toggle("with-line", drawn.length > 0);
  }
  function lineOf(target) {
    const row = target.closest?.("tr[data-line]");
    if (row) return row;
    const button = target.closest?.(".play-grid button");
    if (!button || !document.getElementById("layer-moves")?.checked) return null;
    return [...game.querySelectorAll("tr[data-line]")].find((found) => found.dataset.line.split(" ")[0] === button.value) ?? null;
  }
  game.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch" && !event.target.closest("tr[data-line]")) return;
    const row = lineOf(event.target);
    if (row) draw(row.dataset.line.split(" "), row.dataset.color);
    else draw([], "black");
  });
  game.addEventListener("pointerleave", () => draw([], "black"));

  // The event stream; while the page is hidden there is none, so that idle tabs cost nothing.
  function listen() {
    if (stream || document.hidden) return;
    clearInterval(poll);
    stream = new EventSource(`${url}/events`);
    stream.addEventListener("message", (event) => { if (event.data !== game.dataset.version) refresh(); });
    stream.addEventListener("gone", () => { stop(); location.reload(); });
    stream.addEventListener("crowded", () => { stop(); poll = setInterval(refresh, 2000); });
    stream.addEventListener("error", () => {
      if (stream?.readyState === EventSource.CLOSED) { stop(); refresh(); setTimeout(listen, 3000); }
    });
  }
  function stop() {
    stream?.close();
    stream = null;
    clearInterval(poll);
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", listen);
  walkable();
  listen();
})();
