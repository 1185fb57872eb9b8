// SPDX-License-Identifier: Apache-2.0
// Steps through a game without asking the server: links, keys, and clicks on the charts. Without it the links still work.
"use strict";

(() => {
  const viewer = document.getElementById("viewer");
  const source = document.getElementById("game-data");
  if (!viewer || !source) return;
  const game = JSON.parse(source.textContent);
  const total = game.moves.length;
  const base = viewer.dataset.base;
  let heat = viewer.dataset.heat === "1";
  let move = game.move;

  const say = (id, text) => {
    document.getElementById(id).textContent = text;
  };
  const signed = (value, digits) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);
  const address = (number) => `${base}?move=${number}${heat ? "" : "&heat=0"}`;

  const show = (wanted) => {
    move = Math.min(Math.max(0, wanted), total);
    const board = document.getElementById("board");
    const last = move ? game.moves[move - 1] : null;
    window.minigoBoard.drawArea(board, move === total ? game.area : null, game.size);
    window.minigoBoard.drawStones(board, window.minigoBoard.stonesAfter(game, move), game.size, last);
    window.minigoBoard.drawHeat(board, heat ? game.policies[move] : null, game.size);
    if (move === total) board.append(board.querySelector("g.ownership"));
    board.setAttribute("aria-label", `Position after ${move} moves`);
    const value = move < total ? game.values[move] : null;
    const lead = move < total ? game.scores[move] : null;
    say("move-number", `${move} / ${total}`);
    say("last-move", move ? game.vertices[move - 1] : "\u2013");
    say("to-play", move < total ? (move % 2 ? "white" : "black") : "\u2013");
    say("win-rate", value === null ? "\u2013" : `${Math.round(50 + 50 * value)} %`);
    say("lead", lead === null ? "\u2013" : signed(lead, 1));
    say("simulations", move < total && game.simulations[move] ? game.simulations[move] : "\u2013");
    for (const drawing of document.querySelectorAll(".seekable svg")) markCursor(drawing);
    const heatSwitch = document.getElementById("heat-switch");
    heatSwitch.textContent = `${heat ? "Hide" : "Show"} the search's policy`;
    document.title = document.title.replace(/, move \d+/, `, move ${move}`);
    if (!base) return; // a static site, where every move has a file of its own
    for (const link of document.querySelectorAll("[data-step]")) link.href = address(target(link.dataset.step));
    heatSwitch.href = `${base}?move=${move}${heat ? "&heat=0" : ""}`;
    window.history.replaceState(null, "", address(move));
  };

  const markCursor = (drawing) => {
    const { low, high, left, right } = drawing.dataset;
    const x = +left + ((+right - +left) * (move - +low)) / (+high - +low);
    const cursor = drawing.querySelector(".cursor");
    if (cursor) cursor.setAttribute("d", cursor.getAttribute("d").replace(/^M[\d.-]+/, `M${x.toFixed(1)}`));
  };

  const target = (step) => {
    if (step === "first") return 0;
    if (step === "last") return total;
    return Math.min(Math.max(0, move + Number(step)), total);
  };

  viewer.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const step = event.target.closest("[data-step]");
    const listed = event.target.closest(".moves a");
    const drawing = event.target.closest(".seekable svg");
    if (step) {
      event.preventDefault();
      show(target(step.dataset.step));
    } else if (listed) {
      event.preventDefault();
      show([...document.querySelectorAll(".moves a")].indexOf(listed) + 1);
    } else if (event.target.closest("#heat-switch")) {
      event.preventDefault();
      heat = !heat;
      show(move);
    } else if (drawing) {
      const box = drawing.getBoundingClientRect();
      const { low, high, left, right } = drawing.dataset;
      const x = ((event.clientX - box.left) / box.width) * drawing.viewBox.baseVal.width;
      show(Math.round(+low + ((+high - +low) * (x - +left)) / (+right - +left)));
    }
  });

  const keys = { ArrowLeft: "-1", ArrowRight: "1", PageUp: "-10", PageDown: "10", Home: "first", End: "last" };
  document.addEventListener("keydown", (event) => {
    const step = keys[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, [tabindex]")) {
      return;
    }
    event.preventDefault();
    show(target(step));
  });
})();
