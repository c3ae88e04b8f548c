// subscriber.mjs as a program: its one argument is what is asked, as JSON, with `native: true` for
// Node's own WebSocket. Facts go to stdout, one JSON object a line; orders come on stdin, one JSON
// object a line. It ends with stdin.

import { createInterface } from 'node:readline'
import { createClient } from '@supabase/supabase-js'
import ws from 'ws'
import { subscriber } from './subscriber.mjs'

const asked = JSON.parse(process.argv[2])
const say = (fact, told) => process.stdout.write(JSON.stringify({ fact, ...told }) + '\n')
const order = await subscriber(createClient, asked, say, asked.native ? undefined : ws)

createInterface({ input: process.stdin })
  .on('line', (line) => order(JSON.parse(line)))
  .on('close', () => process.exit(0))
