// Somebody who uses @supabase/supabase-js, unmodified, in Node (client.mjs) or on a page.
//
// `asked` is {url, key, token?, topic, bindings, cursor?, realtime?}; `say(fact, told)` is told what
// happens; what is returned takes orders: {token}, {leave: true}, {subscribe: true}. `cursor: true`
// keeps `since` and `epoch` in the bindings, as docs/protocol.md says. The token is what the
// accessToken callback gives: without `token`, none until one is ordered.

export async function subscriber(createClient, asked, say, transport) {
  let token = asked.token
  let channel
  const supabase = createClient(asked.url, asked.key, {
    realtime: { ...(transport && { transport }), ...asked.realtime },
    accessToken: async () => token ?? null,
  })

  function subscribe() {
    channel = supabase.channel(asked.topic)
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
  }

  if (token) await supabase.realtime.setAuth()
  subscribe()
  return async (order) => {
    if (order.token) {
      token = order.token
      await supabase.realtime.setAuth(token) // as supabase-js' own auth does when it has a newer one
      say('renewed', {})
    }
    if (order.leave) say('left', { answer: await supabase.removeChannel(channel) })
    if (order.subscribe) subscribe()
  }
}
