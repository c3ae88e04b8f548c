// A front end that asks by supabase.functions.invoke, with @supabase/supabase-js, unmodified. Its
// one argument is JSON: {url, key, token, calls: [[name, body], ...]}; without a token it is nobody.
// For each call a line goes to stdout: {data, error}, where `error` has the name of supabase-js's
// error, its HTTP status, and what the body says, as its users read it.

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const asked = JSON.parse(process.argv[2])
const supabase = createClient(asked.url, asked.key, {
  realtime: { transport: ws },
  ...(asked.token && { accessToken: async () => asked.token }),
})

for (const [name, body] of asked.calls) {
  const { data, error } = await supabase.functions.invoke(name, { body })
  const told = error && {
    name: error.name,
    status: error.context.status,
    error: (await error.context.json()).error,
  }
  process.stdout.write(JSON.stringify({ data, error: told }) + '\n')
}
process.exit(0)
