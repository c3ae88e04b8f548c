// Mounts the page that the service serves.

import { createRoot } from "react-dom/client";

import "sonner/dist/styles.css";
import "./style.css";
import { App } from "./App";
import { takeTokenFromAddress } from "./session";

const RETRY_MS = 3_000;

takeTokenFromAddress();
addEventListener("hashchange", () => location.reload()); // another link in this tab

createRoot(document.getElementById("root")!).render(<App gatewayUrl={await gatewayUrl()} />);

/** Where the gateway is. Until the service says so, the page turns as index.html has it. */
async function gatewayUrl(): Promise<string> {
  for (;;) {
    const answer = await fetch("/config.json").catch(() => null);
    if (answer?.ok) return ((await answer.json()) as { gateway_url: string }).gateway_url;
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
}
