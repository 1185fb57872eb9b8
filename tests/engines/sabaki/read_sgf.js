// SPDX-License-Identifier: Apache-2.0
// Reads SGF files and writes, for each, one line of JSON: its root's properties, and those of every node after it.
// usage: node read_sgf.js FILE…
'use strict'

const sgf = require('@sabaki/sgf')

for (const file of process.argv.slice(2)) {
  const roots = sgf.parseFile(file)
  if (roots.length !== 1) throw new Error(`${file} has ${roots.length} games`)
  const nodes = []
  for (let node = roots[0]; node != null; node = node.children[0]) {
    if (node.children.length > 1) throw new Error(`${file} has variations`)
    const moves = ['B', 'W']
      .filter(color => node.data[color] != null)
      .map(color => [color, ...sgf.parseVertex(node.data[color][0])])
    nodes.push({...node.data, moves})
  }
  console.log(JSON.stringify(nodes))
}
