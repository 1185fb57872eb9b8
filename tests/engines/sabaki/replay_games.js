// SPDX-License-Identifier: Apache-2.0
// Replays games on Sabaki's board: a second opinion on captures, ko, suicide and occupied points.
// Each line of stdin is a game: {size, moves: [[sign, x, y]…], boards: [text…], legal: {ply: text}, captures: [B, W]}.
// `boards` has the board after each move, row by row, `X` black, `O` white; `legal` marks, before some moves, the
// points that the mover may play with `1`. Ends with 0 if all agree, after the number of games and positions.
'use strict'

const assert = require('node:assert/strict')
const readline = require('node:readline')
const Board = require('@sabaki/go-board')

const MARKS = {0: '.', 1: 'X', '-1': 'O'}
const textOf = board => board.signMap.map(row => row.map(sign => MARKS[sign]).join('')).join('')

function legalPoints(board, sign) {
  let text = ''
  for (let y = 0; y < board.height; y++) {
    for (let x = 0; x < board.width; x++) {
      const {overwrite, suicide, ko} = board.analyzeMove(sign, [x, y])
      text += overwrite || suicide || ko ? '0' : '1'
    }
  }
  return text
}

async function main() {
  let games = 0
  let positions = 0
  for await (const line of readline.createInterface({input: process.stdin})) {
    const {size, moves, boards, legal, captures} = JSON.parse(line)
    let board = Board.fromDimensions(size)
    moves.forEach(([sign, x, y], ply) => {
      if (legal[ply] != null) assert.equal(legalPoints(board, sign), legal[ply], `legal moves, game ${games}, ply ${ply}`)
      board = board.makeMove(sign, [x, y], {preventSuicide: true, preventOverwrite: true, preventKo: true})
      assert.equal(textOf(board), boards[ply], `board, game ${games}, after ply ${ply}`)
      positions++
    })
    assert.deepEqual([board.getCaptures(1), board.getCaptures(-1)], captures, `captures, game ${games}`)
    games++
  }
  console.log(JSON.stringify({games, positions}))
}

main().catch(error => {
  console.error(error)
  process.exitCode = 1
})
