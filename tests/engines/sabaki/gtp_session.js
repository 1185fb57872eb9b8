// SPDX-License-Identifier: Apache-2.0
// Drives a GTP engine as Sabaki does: start-up, a game with undos, analysis with interruption, and quit.
// usage: node gtp_session.js COMMAND ARGUMENTS…; ends with 0 if all went well.
'use strict'

const assert = require('node:assert/strict')
const {Controller, ControllerStateTracker} = require('@sabaki/gtp')
const Board = require('@sabaki/go-board')
const sgf = require('@sabaki/sgf')

const SIZE = 9
const MOVES = 30
const COLUMNS = 'ABCDEFGHJ'
const REPLY_MS = 20000

const toVertex = name =>
  name === 'PASS' ? [-1, -1] : [COLUMNS.indexOf(name[0]), SIZE - Number(name.slice(1))]

function within(promise, milliseconds, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${milliseconds} ms`)), milliseconds)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// Plays what the tracker believes the engine's history to be.
function boardOf(history) {
  return history.reduce((board, {args: [color, vertex]}) => {
    const sign = color === 'B' ? 1 : -1
    return board.makeMove(sign, toVertex(vertex), {preventSuicide: true, preventOverwrite: true})
  }, Board.fromDimensions(SIZE))
}

// The main line of an SGF, as the tracker would have it.
function historyOf(text) {
  const [root] = sgf.parse(text)
  assert.deepEqual(root.data.SZ, [`${SIZE}`])
  assert.equal(Number(root.data.KM[0]), 6.5)
  const history = []
  for (let node = root; node != null; node = node.children[0]) {
    for (const color of ['B', 'W']) {
      if (node.data[color] == null) continue
      const [x, y] = sgf.parseVertex(node.data[color][0])
      history.push({name: 'play', args: [color, x < 0 ? 'PASS' : `${COLUMNS[x]}${SIZE - y}`]})
    }
  }
  return history
}

// The candidates of one line of analysis.
function candidatesOf(line) {
  return line
    .split(/\s*info\s+/)
    .slice(1)
    .map(text => {
      const words = text.trim().split(/\s+/)
      const pv = words.indexOf('pv')
      assert.ok(pv >= 0, `no pv in ${text}`)
      const fields = Object.fromEntries(
        Array.from({length: pv / 2}, (_, index) => words.slice(2 * index, 2 * index + 2))
      )
      return {...fields, pv: words.slice(pv + 1)}
    })
}

async function startUp(tracker, send) {
  // Sabaki asks all of this at once.
  const [name, version, protocol, commands] = await Promise.all(
    ['name', 'version', 'protocol_version', 'list_commands'].map(command => send(command))
  )
  assert.equal(name.content, 'MiniGo')
  assert.match(version.content, /\./)
  assert.equal(protocol.content, '2')
  const known = commands.content.split('\n')
  for (const needed of ['undo', 'lz-analyze', 'kata-analyze', 'lz-genmove_analyze', 'printsgf', 'time_settings']) {
    assert.ok(known.includes(needed), `${needed} is not listed`)
  }
  // Sabaki would prefer these, and misread them.
  assert.ok(!known.includes('analyze') && !known.includes('genmove_analyze'))
  assert.equal((await send('no_such_command')).error, true)
  assert.ok(await tracker.knowsCommand('undo'))
  await tracker.sync({
    komi: 6.5,
    boardsize: [SIZE, SIZE],
    timeSettings: {mainTime: 600, byoyomiTime: 30, byoyomiStones: 5},
    history: []
  })
}

async function playWithUndos(tracker, send) {
  const sent = []
  tracker.controller.on('command-sent', ({command}) => sent.push(command.name))
  for (let number = 0; number < MOVES; number++) {
    const color = number % 2 === 0 ? 'B' : 'W'
    const {content, error} = await within(
      tracker.queueCommand({name: 'genmove', args: [color]}),
      REPLY_MS,
      'genmove'
    )
    assert.ok(!error, content)
    assert.equal(tracker.state.history.length, number + 1)
    if (/resign/i.test(content)) throw new Error('the engine resigned')
  }
  const whole = [...tracker.state.history] // which changes with the engine's state
  boardOf(whole)

  // Back three moves: by undo, because most of the game stays.
  sent.length = 0
  await tracker.sync({history: whole.slice(0, -3)})
  assert.deepEqual(sent, ['undo', 'undo', 'undo'])
  assert.deepEqual(historyOf((await send('printsgf')).content), whole.slice(0, -3))

  // Another move there, and then to the beginning of the game, which clears the board.
  const there = boardOf(whole.slice(0, -3))
  const last = whole[whole.length - 4].args[0] === 'B' ? -1 : 1
  const free = []
  for (let y = 0; y < SIZE; y++) {
    for (let x = 0; x < SIZE; x++) {
      const {overwrite, suicide, ko} = there.analyzeMove(last, [x, y])
      if (!overwrite && !suicide && !ko) free.push(`${COLUMNS[x]}${SIZE - y}`)
    }
  }
  const other = {name: 'play', args: [last > 0 ? 'B' : 'W', free[free.length - 1]]}
  const varied = [...whole.slice(0, -3), other]
  await tracker.sync({history: varied})
  assert.deepEqual(historyOf((await send('printsgf')).content), varied)
  sent.length = 0
  await tracker.sync({history: whole.slice(0, 5)})
  assert.equal(sent[0], 'clear_board')
  assert.deepEqual(historyOf((await send('printsgf')).content), whole.slice(0, 5))
}

// Lets an analysis run until it has shown three lines, and stops it as Sabaki does.
async function analyze(tracker, name, args, check) {
  const lines = []
  let interrupted
  const response = tracker.controller.sendCommand({name, args}, ({line, end}) => {
    if (end || !line.includes('info ')) return
    lines.push(line)
    if (lines.length === 3) interrupted = tracker.controller.sendCommand({name: 'protocol_version'})
  })
  const {error, content} = await within(response, REPLY_MS, name)
  assert.ok(!error, content)
  assert.ok(lines.length >= 3)
  assert.equal((await within(interrupted, REPLY_MS, 'protocol_version')).content, '2')
  const board = boardOf(tracker.state.history)
  const sign = args.includes('W') ? -1 : 1
  for (const line of lines) {
    const candidates = candidatesOf(line)
    assert.ok(candidates.length > 0)
    for (const candidate of candidates) {
      const vertex = toVertex(candidate.move.toUpperCase())
      assert.equal(candidate.pv[0].toUpperCase(), candidate.move.toUpperCase())
      const {overwrite, suicide} = board.analyzeMove(sign, vertex)
      assert.ok(!overwrite && !suicide, `${candidate.move} is illegal`)
      check(candidate)
    }
    assert.ok(candidates.some(({move}) => !/pass/i.test(move)), 'pass is the only candidate')
  }
}

const isInteger = text => /^\d+$/.test(text)
const isDecimal = text => /^-?\d+\.\d+$/.test(text)

async function analyses(tracker) {
  const before = tracker.state.history.length
  await analyze(tracker, 'lz-analyze', ['W', '2'], ({visits, winrate, prior, order}) => {
    assert.ok([visits, winrate, prior, order].every(isInteger))
    assert.ok(Number(winrate) <= 10000)
  })
  await analyze(tracker, 'kata-analyze', ['W', '2'], ({visits, winrate, scoreLead}) => {
    assert.ok(isInteger(visits) && isDecimal(winrate) && isDecimal(scoreLead))
    assert.ok(Number(winrate) >= 0 && Number(winrate) <= 1)
  })
  assert.equal(tracker.state.history.length, before)

  const response = await within(
    tracker.queueCommand({name: 'lz-genmove_analyze', args: ['W', '2']}),
    REPLY_MS,
    'lz-genmove_analyze'
  )
  const lines = response.content.trim().split('\n')
  assert.match(lines[lines.length - 1], /^play \S+$/)
  assert.ok(lines.some(line => line.startsWith('info ')))
  const history = historyOf((await tracker.controller.sendCommand({name: 'printsgf'})).content)
  assert.equal(history.length, before + 1)
  assert.deepEqual(history, tracker.state.history)
}

async function main([command, ...args]) {
  const tracker = ControllerStateTracker.fromController(command, args)
  const {controller} = tracker
  const send = name => within(controller.sendCommand({name}), REPLY_MS, name)
  const errors = []
  controller.on('stderr', ({content}) => errors.push(content))
  controller.start()
  try {
    await startUp(tracker, send)
    await playWithUndos(tracker, send)
    await analyses(tracker)
    const stopped = new Promise(resolve => controller.once('stopped', resolve))
    const began = Date.now()
    await controller.stop()
    assert.equal((await stopped).signal, 0) // what the library calls a signal is the exit code
    assert.ok(Date.now() - began < 1000, 'quit took more than a second')
    assert.ok(errors.some(line => line.includes('GTP ready')))
  } catch (error) {
    await controller.kill()
    console.error(errors.join('\n'))
    throw error
  }
}

main(process.argv.slice(2)).catch(error => {
  console.error(error)
  process.exitCode = 1
})
