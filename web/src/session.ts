// Who is signed in. The token comes in the link's fragment and is at once removed from the address
// bar and the history; it stays in this tab's storage and goes nowhere but to the service and its
// gateway. A site that has tokens of its own gives DashboardPage its `getToken` instead.

const KEY = "sonnette.token";
const RENEW_BEFORE_S = 300;

export interface Claims {
  sub?: string;
  exp?: number;
}

export function claims(jwt: string): Claims {
  try {
    const middle = (jwt.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(middle)) as Claims;
  } catch {
    return {};
  }
}

export function takeTokenFromAddress(): void {
  const given = new URLSearchParams(location.hash.slice(1)).get("access_token");
  if (!given) return;
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname);
}

export function keptToken(): string | null {
  const kept = sessionStorage.getItem(KEY);
  return kept && claims(kept).sub ? kept : null;
}

export function forgetToken(): void {
  sessionStorage.removeItem(KEY);
}

/** The token, renewed shortly before it ends where the service does that (the demo's alone does). */
export async function getToken(): Promise<string | null> {
  const token = keptToken();
  if (!token || (claims(token).exp ?? 0) - Date.now() / 1000 > RENEW_BEFORE_S) return token;
  try {
    const answer = await fetch("/v1/token", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    if (!answer.ok) return token;
    const { access_token } = (await answer.json()) as { access_token: string };
    sessionStorage.setItem(KEY, access_token);
    return access_token;
  } catch {
    return token;
  }
}
