// The subscription that users of the system before Sonnette have in their pages, word for word in
// what it asks of the server. Its one argument is JSON: {url, key, token, userId}. It ends with stdin.
//
// The session's token comes from the accessToken callback, as supabase-js' own auth would give it:
// a moment after subscribe() was called.

import { createClient } from '@supabase/supabase-js'
import ws from 'ws'

const { url, key, token, userId } = JSON.parse(process.argv[2])
const say = (fact, told) => process.stdout.write(JSON.stringify({ fact, ...told }) + '\n')

const supabase = createClient(url, key, {
  realtime: { transport: ws },
  accessToken: async () => token,
})

const onSmsReceived = (activation) => say('onSmsReceived', { status: activation.status })
const onBalanceUpdate = () => say('onBalanceUpdate', {})
const toast = (title, text) => say('toast', { title, text })

supabase
  .channel('sms-updates')
  .on(
    'postgres_changes',
    { event: 'UPDATE', schema: 'public', table: 'activations', filter: `user_id=eq.${userId}` },
    (payload) => {
      const { phone, status, sms_code } = payload.new
      say('change', { binding: 0, type: payload.eventType, new: payload.new, old: payload.old })
      if (payload.old.status !== 'received' && status === 'received' && sms_code) {
        toast('SMS reçu !', `Code: ${sms_code} - ${phone}`)
        onSmsReceived(payload.new)
        onBalanceUpdate()
      } else if (status !== payload.old.status && ['timeout', 'cancelled'].includes(status)) {
        toast(
          status === 'timeout' ? 'Activation expirée' : 'Annulé',
          status === 'timeout'
            ? `${phone} - Aucun SMS reçu, fonds remboursés`
            : `${phone} - Activation annulée`,
        )
        onSmsReceived(payload.new)
        onBalanceUpdate()
      }
    },
  )
  .subscribe((status, error) => say('status', { status, reason: error?.message ?? null }))

process.stdin.resume().on('end', () => process.exit(0))
