// A site that is not Sonnette's: it embeds the page and, beside it, the hook alone, on an origin of
// its own and with tokens that it gives out itself. tests/browser/test_foreign_site.py builds it.

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { Toaster } from "sonner";

import "sonner/dist/styles.css";
import "../../src/style.css";
import { Api } from "../../src/api";
import { useRealtimeSms } from "../../src/hooks/useRealtimeSms";
import { DashboardPage } from "../../src/pages/DashboardPage";
import { twoDecimals } from "../../src/rows";

interface Site {
  userId: string;
  serviceUrl: string;
  gatewayUrl: string;
}

const read = async <T,>(path: string): Promise<T> => (await (await fetch(path)).json()) as T;
const getToken = async () => (await read<{ token: string }>("/session")).token;

function Bell({ userId, gatewayUrl, api }: Site & { api: Api }) {
  const [code, setCode] = useState("");
  const [balance, setBalance] = useState("");
  useRealtimeSms({
    userId, api, gatewayUrl, getToken,
    onSmsReceived: (activation) => setCode(activation.sms_code ?? ""),
    onBalanceUpdate: (wallet) => setBalance(twoDecimals(wallet.balance)),
  });
  return <p id="bell">{code} {balance}</p>;
}

function Page(site: Site & { api: Api }) {
  const [bell, setBell] = useState(true);
  return (
    <>
      <button type="button" onClick={() => setBell(false)}>Leave</button>
      {bell && <Bell {...site} />}
      <DashboardPage {...site} getToken={getToken} />
      <Toaster />
    </>
  );
}

const site = await read<Site>("/site.json");
const api = new Api(getToken, site.serviceUrl);
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={new QueryClient()}><Page {...site} api={api} /></QueryClientProvider>
  </StrictMode>,
);
