// Signed in or not: the dashboard, or what to do to see it.

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Toaster } from "sonner";

import { Api } from "./api";
import { Header } from "./components/Header";
import { TextContext } from "./context";
import { DashboardPage } from "./pages/DashboardPage";
import { claims, forgetToken, getToken, keptToken } from "./session";
import { languageOf, Text } from "./text";

const queries = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false } } });

export function App({ gatewayUrl }: { gatewayUrl: string }) {
  const [userId, setUserId] = useState(() => claims(keptToken() ?? "").sub);
  const [reason, setReason] = useState("");
  const text = useMemo(() => new Text(languageOf(navigator.language)), []);
  document.documentElement.lang = text.language;
  const signOut = (why: string) => {
    forgetToken();
    queries.clear();
    setUserId(undefined);
    setReason(why);
  };
  const api = useMemo(() => new Api(getToken, "", signOut), []);
  return (
    <TextContext value={text}>
      <QueryClientProvider client={queries}>
        {userId ? (
          <DashboardPage {...{ userId, api, gatewayUrl, getToken }} signOut={() => signOut("")} />
        ) : (
          <>
            <Header connection={null} />
            <main>
              {reason && <p id="notice" role="alert">{reason}</p>}
              <section id="signed-out" aria-label={text.words.signedOut}><p>{text.words.signIn}</p></section>
            </main>
          </>
        )}
        <Toaster position="bottom-right" closeButton duration={8_000} theme="system" />
      </QueryClientProvider>
    </TextContext>
  );
}
