// A front end as it was, with one origin for all: it listens for its activations as sms_updates.mjs
// does, asks by functions.invoke, and reads something of the system that it had before.
// Its one argument is JSON: {url, key, token, userId, activationId}. Facts go to stdout; it ends with stdin.

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const { url, key, token, userId, activationId } = JSON.parse(process.argv[2])
const say = (fact, told) => process.stdout.write(JSON.stringify({ fact, told }) + '\n')

const supabase = createClient(url, key, { realtime: { transport: ws }, accessToken: async () => token })
supabase
  .channel('sms-updates')
  .on(
    'postgres_changes',
    { event: 'UPDATE', schema: 'public', table: 'activations', filter: `user_id=eq.${userId}` },
    ({ old, new: row }) => say('change', `${old.status} ${row.status} ${row.sms_code}`),
  )
  .subscribe((status) => say('status', status))

const { data } = await supabase.functions.invoke('check-sms-activate-status', { body: { activationId } })
say('checked', data?.data.status)
const other = await supabase.functions.invoke('another-function', { body: {} })
say('elsewhere', other.data?.from)
const rest = await supabase.from('profiles').select('*')
say('rest', rest.data?.[0]?.from)

process.stdin.resume().on('end', () => process.exit(0))
