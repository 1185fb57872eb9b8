// SPDX-License-Identifier: Apache-2.0
// Draws positions into a board that the server has drawn: the same places, sizes and classes as ratings/board_svg.py.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const CELL = 24;
  const MARGIN = 30;
  const POLICY_SCALE = 65535;

  const element = (name, attributes, text) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  const place = (move, size) => [MARGIN + (move % size) * CELL, MARGIN + Math.floor(move / size) * CELL];

  // The layer of a class, empty, in the order stones, heat, area, marks.
  const layer = (board, name) => {
    let found = board.querySelector(`g.${name}`);
    if (!found) {
      found = element("g", { class: name });
      board.append(found);
    }
    found.replaceChildren();
    return found;
  };

  // stonesAfter(game, count): 1 for Black, -1 for White, 0 for empty, after so many moves.
  const stonesAfter = (game, count) => {
    const stones = new Int8Array(game.size * game.size);
    for (let ply = 0; ply < count; ply += 1) {
      const move = game.moves[ply];
      if (move < stones.length) stones[move] = ply % 2 ? -1 : 1;
      for (const point of game.removed[ply]) stones[point] = 0;
    }
    return stones;
  };

  const drawStones = (board, stones, size, last) => {
    const group = layer(board, "stones");
    stones.forEach((stone, move) => {
      if (!stone) return;
      const [cx, cy] = place(move, size);
      group.append(element("circle", { class: `stone ${stone > 0 ? "black" : "white"}`, cx, cy, r: 11.2 }));
    });
    for (const mark of board.querySelectorAll("circle.last")) mark.remove();
    if (last !== null && last >= 0 && last < stones.length) {
      const [cx, cy] = place(last, size);
      board.append(element("circle", { class: `last ${stones[last] > 0 ? "on-black" : "on-white"}`, cx, cy, r: 5 }));
    }
  };

  // policy: [point, probability x 65535] pairs, or nothing.
  const drawHeat = (board, policy, size) => {
    const group = layer(board, "heatmap");
    const largest = Math.max(0, ...(policy || []).map(([, share]) => share));
    for (const [move, share] of policy || []) {
      const [x, y] = place(move, size);
      const opacity = (0.1 + (0.75 * share) / largest).toFixed(2);
      group.append(element("circle", { class: "heat", cx: x, cy: y, r: 10, "fill-opacity": opacity }));
      const percent = (100 * share) / POLICY_SCALE;
      if (percent >= 1) group.append(element("text", { class: "share", x, y }, percent.toFixed(0)));
    }
  };

  // area: 1 for Black, -1 for White, 0 for nobody, by point; or nothing.
  const drawArea = (board, area, size) => {
    const group = layer(board, "ownership");
    (area || []).forEach((owner, move) => {
      if (!owner) return;
      const [x, y] = place(move, size);
      const side = CELL * 0.55;
      const kind = owner > 0 ? "black" : "white";
      group.append(
        element("rect", { class: `owner ${kind}`, x: x - side / 2, y: y - side / 2, width: side, height: side }),
      );
    });
  };

  window.minigoBoard = { stonesAfter, drawStones, drawHeat, drawArea };
})();
