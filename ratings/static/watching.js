// SPDX-License-Identifier: Apache-2.0
// Draws the self-play game that the server tells of, move by move, evenly until the next word is expected.
"use strict";

(() => {
  const WORD_SECONDS = 10; // workers speak so often
  const board = document.getElementById("board");
  const words = document.getElementById("live-words");
  if (!board || !words) return;
  const shown = board.parentElement;
  let game = null;
  let move = 0;
  let timer = null;
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

  const draw = () => {
    const last = move ? game.moves[move - 1] : null;
    window.minigoBoard.drawStones(board, window.minigoBoard.stonesAfter(game, move), game.size, last);
    board.setAttribute("aria-label", `Self-play game after ${move} moves`);
    const link = document.createElement("a");
    link.href = `/networks/${game.network}`;
    link.textContent = game.network;
    const name = document.createElement("code");
    name.textContent = game.id;
    words.replaceChildren("Game ", name, " of network ", link, `: move ${move}`);
  };

  const step = () => {
    clearTimeout(timer);
    if (still) move = game.moves.length;
    if (move < game.moves.length) {
      move += 1;
      draw();
      timer = setTimeout(step, Math.max(60, (1000 * WORD_SECONDS) / Math.max(1, game.pace)));
    } else {
      draw();
    }
  };

  const rest = () => {
    clearTimeout(timer);
    shown.removeAttribute("data-live-game");
    game = null;
    move = 0;
    const none = { size: Number(board.dataset.size), moves: [], removed: [] };
    window.minigoBoard.drawStones(board, window.minigoBoard.stonesAfter(none, 0), none.size, null);
    board.setAttribute("aria-label", "Empty board");
    words.textContent = "No self-play game is being played at the moment.";
  };

  document.addEventListener("seen", (event) => {
    const seen = event.detail.game;
    if (!seen) {
      if (shown.hasAttribute("data-live-game")) rest();
      return;
    }
    if (game && seen.id === game.id && seen.moves.length <= game.moves.length) return;
    shown.setAttribute("data-live-game", seen.id);
    if (board.dataset.size !== String(seen.size)) {
      window.location.reload();
      return;
    }
    const isSame = game && seen.id === game.id;
    move = isSame ? move : 0;
    game = seen;
    game.pace = seen.moves.length - move;
    step();
  });
})();
