// A program of somebody who uses @supabase/supabase-js, unmodified, against the gateway.
//
// Its one argument is JSON: {url, key, token?, topic, bindings, cursor?}. Facts go to stdout, one
// JSON object a line; orders come on stdin, one JSON object a line: {token}, {leave: true}. It ends
// with stdin. `cursor: true` keeps `since` and `epoch` in the bindings, as docs/protocol.md says.
// The token is what the accessToken callback gives: without `token`, none until one is ordered.

import { createInterface } from 'node:readline'
import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const asked = JSON.parse(process.argv[2])
const say = (fact, told) => process.stdout.write(JSON.stringify({ fact, ...told }) + '\n')

let token = asked.token
const supabase = createClient(asked.url, asked.key, {
  realtime: { transport: ws },
  accessToken: async () => token ?? null,
})
if (token) await supabase.realtime.setAuth()

const channel = supabase.channel(asked.topic)
for (const [binding, filter] of asked.bindings.entries()) {
  channel.on('postgres_changes', filter, (payload) => {
    if (asked.cursor) filter.since = payload.new.feed_seq ?? payload.old.feed_seq
    say('change', { binding, type: payload.eventType, new: payload.new, old: payload.old })
  })
}
channel.on('system', {}, (payload) => {
  if (asked.cursor) {
    for (const filter of asked.bindings) {
      if (filter.since !== undefined && payload.extension !== 'resync') continue
      filter.since = payload.feed_seq
      filter.epoch = payload.epoch
    }
  }
  say('system', payload)
})
channel.subscribe((status, error) => say('status', { status, reason: error?.message ?? null }))

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const order = JSON.parse(line)
    if (order.token) {
      token = order.token
      await supabase.realtime.setAuth(token) // as supabase-js' own auth does when it has a newer one
      say('renewed', {})
    }
    if (order.leave) say('left', { answer: await supabase.removeChannel(channel) })
  })
  .on('close', () => process.exit(0))
