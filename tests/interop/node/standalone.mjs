// subscriber.mjs with @supabase/realtime-js alone, without supabase-js around it, on the path that
// it then has: /socket/websocket. Its argument, facts and orders are those of client.mjs.

import { createInterface } from 'node:readline'
import { RealtimeClient } from '@supabase/realtime-js'
import ws from 'ws'
import { subscriber } from './subscriber.mjs'

function createClient(url, key, { accessToken, realtime }) {
  const address = `${url.replace('http', 'ws')}/socket`
  const client = new RealtimeClient(address, { params: { apikey: key }, accessToken, ...realtime })
  return {
    realtime: client,
    channel: (topic) => client.channel(topic),
    removeChannel: (channel) => client.removeChannel(channel),
  }
}

const say = (fact, told) => process.stdout.write(JSON.stringify({ fact, ...told }) + '\n')
const order = await subscriber(createClient, JSON.parse(process.argv[2]), say, ws)

createInterface({ input: process.stdin })
  .on('line', (line) => order(JSON.parse(line)))
  .on('close', () => process.exit(0))
