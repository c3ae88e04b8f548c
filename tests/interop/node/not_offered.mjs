// Somebody whose channel uses broadcast and presence beside postgres_changes, with
// @supabase/supabase-js, unmodified. Its one argument is JSON: {url, key, token, binding, config,
// realtime}. Each line of its input is what to give to channel.send(); `bytes: true` makes the
// payload binary. Facts go to stdout, one JSON object a line. It ends with stdin.

import { createInterface } from 'node:readline'
import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const asked = JSON.parse(process.argv[2])
const say = (fact, told) => process.stdout.write(JSON.stringify({ fact, ...told }) + '\n')

const supabase = createClient(asked.url, asked.key, {
  realtime: { transport: ws, ...asked.realtime },
  accessToken: async () => asked.token,
})
await supabase.realtime.setAuth()

const channel = supabase
  .channel('my-numbers', { config: asked.config })
  .on('postgres_changes', asked.binding, (payload) =>
    say('change', { binding: 0, type: payload.eventType, new: payload.new, old: payload.old }),
  )
  .on('broadcast', { event: '*' }, () => say('heard', { kind: 'broadcast' }))
  .on('presence', { event: 'sync' }, () => say('heard', { kind: 'presence' }))
  .on('system', {}, (payload) => say('system', payload))
  .subscribe((status, error) => say('status', { status, reason: error?.message ?? null }))

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { bytes, ...args } = JSON.parse(line)
    if (bytes) args.payload = new Uint8Array([0, 1, 2, 255]).buffer
    say('pushed', { answer: await channel.send(args) })
  })
  .on('close', () => process.exit(0))
