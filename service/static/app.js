// The page: rows come by HTTP once, changes by WebSocket from the cursor that came with them, and
// by HTTP again while there is no socket. Rows are applied in the order of the feed, each once.

const HEARTBEAT_MS = 25_000;
const POLL_MS = 5_000;
const RECONNECT_MS = [1_000, 2_000, 5_000, 10_000];
const RENEW_BEFORE_S = 300;
const TOPIC = "realtime:page";
const SHOWN = 50;
const STATES = { live: "Live", "catching-up": "Catching up", offline: "Offline, trying again" };
const SERVICES = { wa: "WhatsApp", tg: "Telegram", go: "Google" };
const COUNTRIES = { 0: "Russia", 6: "Indonesia" };

const $ = (id) => document.getElementById(id);
const money = (amount) => Number(amount).toFixed(2); // strings over HTTP, numbers over the socket
const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

let token, socket, cursor, target, currency = "", walletSeq = 0, tries = 0, offers = [];
const rows = new Map(); // activation id -> {row, seq}

// --- who ---------------------------------------------------------------------------------------

function claims(jwt) {
  try { return JSON.parse(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))); } catch { return {}; }
}

function signIn() {
  const given = new URLSearchParams(location.hash.slice(1)).get("access_token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname); // neither the address bar nor the history keeps it
  }
  const kept = sessionStorage.getItem("token");
  token = kept && claims(kept).sub ? kept : null;
  $("signed-in").hidden = !token;
  $("signed-out").hidden = !!token;
  return !!token;
}

function signOut(reason) {
  sessionStorage.removeItem("token");
  token = null;
  socket?.close();
  signIn();
  say(reason);
  state("offline");
}

async function renew() {
  if (!token || claims(token).exp - Date.now() / 1000 > RENEW_BEFORE_S) return;
  const answer = await api("/v1/token", { method: "POST" }).catch(() => null); // only the demo has it
  if (!answer) return;
  token = answer.body.access_token;
  sessionStorage.setItem("token", token);
  push("access_token", { access_token: token });
}

// --- HTTP --------------------------------------------------------------------------------------

async function api(path, options = {}) {
  const answer = await fetch(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${token}` } });
  const body = await answer.json();
  if (answer.status === 401) signOut(`${body.detail}. Open a new link.`);
  if (!answer.ok) throw Object.assign(new Error(body.detail), { status: answer.status });
  return { body, seq: Number(answer.headers.get("Sonnette-Feed-Seq")) };
}

async function load() {
  const [list, me] = await Promise.all([api(`/v1/activations?limit=${SHOWN}`), api("/v1/me")]);
  rows.clear();
  for (const row of list.body.items) rows.set(row.id, { row, seq: list.body.feed_seq });
  cursor = { since: list.body.feed_seq, epoch: list.body.epoch };
  currency = me.body.currency;
  walletSeq = 0;
  applyWallet(me.body, me.body.feed_seq);
  render();
}

async function loadOffers() {
  const { body } = await api("/v1/offers?limit=1000");
  offers = body.items.filter((offer) => offer.stock > 0);
  fill($("service"), new Map(offers.map(({ service_code: code }) => [code, SERVICES[code] ?? code])));
  fillCountries();
}

async function poll() {
  if (!token || $("connection").dataset.state !== "offline" || document.hidden) return;
  try {
    if (!cursor) return await start();
    const { body } = await api(`/v1/changes?after=${cursor.since}&epoch=${cursor.epoch}`);
    for (const change of body.changes) apply(change.table, change.record, change.old_record, change.feed_seq);
  } catch (error) {
    if (error.status === 409 || error.status === 410) await load().catch(() => {});
  }
}

async function write(path, body) {
  say("");
  try {
    const options = { method: "POST", headers: { Prefer: "wait=0" } };
    if (body) Object.assign(options, { body: JSON.stringify(body), headers: { ...options.headers, "Content-Type": "application/json" } });
    const answer = await api(path, options);
    applyRow(answer.body, answer.seq);
  } catch (error) {
    say(error.status ? error.message : "The service cannot be reached.");
  }
}

// --- the socket: Phoenix frames [join_ref, ref, topic, event, payload] ---------------------------

function connect() {
  if (!token || (socket && socket.readyState <= WebSocket.OPEN)) return;
  let beat, answered = true;
  const mine = (socket = new WebSocket(`${gateway}/realtime/v1/websocket?vsn=2.0.0`));
  mine.onopen = () => {
    state("catching-up");
    target = Infinity;
    const binding = { event: "*", schema: "public", table: "*", ...cursor };
    push("phx_join", { config: { postgres_changes: [binding] }, access_token: token });
    beat = setInterval(() => {
      if (!answered) return mine.close();
      answered = false;
      mine.send(JSON.stringify([null, "beat", "phoenix", "heartbeat", {}]));
    }, HEARTBEAT_MS);
  };
  mine.onmessage = ({ data }) => {
    const [, ref, , event, payload] = JSON.parse(data);
    if (ref === "beat") answered = true;
    else received(event, payload, mine);
  };
  mine.onclose = () => {
    clearInterval(beat);
    state("offline");
    const wait = RECONNECT_MS[Math.min(tries++, RECONNECT_MS.length - 1)];
    setTimeout(connect, wait * (0.5 + Math.random()));
  };
}

function push(event, payload) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(["1", event, TOPIC, event, payload]));
}

async function received(event, payload, from) {
  if (event === "postgres_changes") {
    const { table, record, old_record } = payload.data;
    apply(table, record, old_record, (record ?? old_record).feed_seq);
  } else if (event === "system" && payload.extension === "resync") {
    await load().catch(() => {});
    from.close(); // the next join begins at what was just read
  } else if (event === "system" && payload.extension === "postgres_changes") {
    target = payload.feed_seq;
    tries = 0;
  } else if (event === "phx_error" || event === "phx_close" || payload.status === "error") {
    say(payload.response?.reason ?? "");
    from.close(); // comes back with the token of then; a token that is over meets a 401 in poll()
  }
  if (cursor.since >= target && from === socket && from.readyState === WebSocket.OPEN) state("live");
}

// --- rows in order -----------------------------------------------------------------------------

function apply(table, record, old, seq) {
  if (seq <= cursor.since) return;
  if (seq > cursor.since + 1) return load().catch(() => {}); // never to be seen: the feed has no gaps
  cursor.since = seq;
  if (table === "wallets" && record) applyWallet(record, seq);
  if (table === "activations" && record) applyRow(record, seq);
  if (table === "activations" && !record) { rows.delete(old.id); render(); }
}

function applyWallet(wallet, seq) {
  if (seq < walletSeq) return;
  walletSeq = seq;
  $("balance").textContent = `${money(wallet.balance)} ${currency}`;
  $("frozen").textContent = `${money(wallet.frozen)} ${currency}`;
  $("available").textContent = `${money(wallet.balance - wallet.frozen)} ${currency}`;
}

function applyRow(row, seq) {
  const known = rows.get(row.id);
  if (known && known.seq >= seq) return;
  rows.set(row.id, { row, seq });
  if (row.status === "received" && known?.row.sms_count !== row.sms_count) {
    $("announcement").textContent = `Code ${row.sms_code ?? row.sms_text} for ${row.phone}`;
  }
  render();
}

// --- what is seen --------------------------------------------------------------------------------

function say(sentence) {
  $("notice").textContent = sentence;
  $("notice").hidden = !sentence;
}

function state(name) {
  $("connection").dataset.state = name;
  $("connection").textContent = token ? STATES[name] : "Signed out";
}

function statusOf(row) {
  return {
    requested: "Getting a number",
    pending: `Waiting for the SMS${row.expires_at ? ` until ${clock(row.expires_at)}` : ""}`,
    received: `Received at ${clock(row.sms_received_at)}${row.sms_count > 1 ? `, SMS ${row.sms_count}` : ""}`,
    completed: "Completed",
    cancelling: "Cancelling",
    cancelled: "Cancelled, your money is back",
    timeout: "No SMS came, your money is back",
    failed: `Failed (${row.failure ?? "no reason given"}), your money is back`,
  }[row.status];
}

function render() {
  const newest = [...rows.values()].map(({ row }) => row).sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
  const focused = document.activeElement.dataset.row;
  $("numbers").replaceChildren(...newest.slice(0, SHOWN).map(item));
  $("none").hidden = newest.length > 0;
  if (focused) document.querySelector(`[data-row="${focused}"]`)?.focus();
}

function item(row) {
  const element = $("number").content.firstElementChild.cloneNode(true);
  const part = (name) => element.querySelector(`.${name}`);
  const show = (name, text) => { part(name).textContent = text ?? ""; part(name).hidden = !text; };
  element.dataset.status = row.status;
  part("phone").textContent = row.phone ? `+${row.phone.replace(/^\+/, "")}` : "No number yet";
  part("offer").textContent =
    `${SERVICES[row.service_code] ?? row.service_code}, ${COUNTRIES[row.country_code] ?? row.country_code}, ${money(row.price)} ${currency}`;
  show("code", row.sms_code);
  show("text", row.sms_text);
  part("status").textContent = statusOf(row);
  const cancel = part("cancel");
  cancel.hidden = row.status !== "pending" || row.charged;
  cancel.dataset.row = row.id;
  cancel.setAttribute("aria-label", `Cancel ${row.phone}`);
  cancel.onclick = () => {
    cancel.disabled = true;
    write(`/v1/activations/${row.id}/cancel`).finally(() => { cancel.disabled = false; });
  };
  return element;
}

function fill(select, options) {
  const chosen = select.value;
  select.replaceChildren(...[...options].map(([value, text]) => new Option(text, value)));
  if (options.has(chosen)) select.value = chosen;
}

function fillCountries() {
  const cheapest = new Map(); // the offers come cheapest first
  for (const offer of offers.filter((one) => one.service_code === $("service").value)) {
    if (!cheapest.has(offer.country_code)) {
      const name = COUNTRIES[offer.country_code] ?? offer.country_code;
      cheapest.set(offer.country_code, `${name}, ${offer.price} ${offer.currency}`);
    }
  }
  fill($("country"), cheapest);
  $("buy").querySelector("button").disabled = cheapest.size === 0;
}

// --- begin -----------------------------------------------------------------------------------------

async function start() {
  await Promise.all([load(), loadOffers()]);
  connect();
}

$("service").onchange = fillCountries;
$("buy").onsubmit = async (event) => {
  event.preventDefault();
  const button = event.submitter ?? event.target.querySelector("button");
  button.disabled = true;
  await write("/v1/activations", { service_code: $("service").value, country_code: $("country").value });
  button.disabled = false;
};
addEventListener("online", connect);
addEventListener("hashchange", () => location.reload()); // another `open` link in this tab
document.addEventListener("visibilitychange", () => { if (!document.hidden) { connect(); poll(); } });

const { gateway_url: gateway } = await (await fetch("/config.json")).json();
setInterval(poll, POLL_MS);
setInterval(renew, 60_000);
if (signIn()) await renew().then(start).catch((error) => { if (token) say(error.status ? error.message : "The service cannot be reached."); });
else state("offline");
