// Follows a user's numbers with @supabase/supabase-js, unmodified, and misses nothing: not while the
// line, the gateway or the database is away, and not when the cursor is too old to be served.
//
//   npm install @supabase/supabase-js ws
//   node resume.mjs http://127.0.0.1:8001 http://127.0.0.1:8000 TOKEN
import { createClient } from '@supabase/supabase-js'
import ws from 'ws' // for Node 20; newer ones and browsers have a WebSocket of their own

const [gateway, service, token] = process.argv.slice(2)
const realtime = { transport: ws }
const supabase = createClient(gateway, 'sb_none', { accessToken: async () => token, realtime })

async function readEverything() {
  for (;;) {
    const headers = { Authorization: `Bearer ${token}` }
    const answer = await fetch(`${service}/v1/activations?limit=100`, { headers }).catch(() => null)
    const { items, feed_seq } = answer?.ok ? await answer.json() : {}
    if (items) console.log('all', items.length, 'at', feed_seq)
    if (items) return feed_seq
    await new Promise((done) => setTimeout(done, 1000))
  }
}

const f = { event: '*', schema: 'public', table: 'activations' } // sent anew at each rejoin
let everything // the list, and up to where it has the changes; they wait for it
supabase
  .channel('my-numbers')
  .on('postgres_changes', f, (p) => {
    const seq = (f.since = p.new.feed_seq ?? p.old.feed_seq)
    everything.then((known) => seq > known && console.log(seq, p.table, p.eventType))
  })
  .on('system', {}, (p) => {
    if (f.since !== undefined && p.extension !== 'resync') return
    Object.assign(f, { since: p.feed_seq, epoch: p.epoch })
    everything = readEverything()
  })
  .subscribe()
