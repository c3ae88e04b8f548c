// Mounts the page that the service serves.

import { createRoot } from "react-dom/client";

import "sonner/dist/styles.css";
import "./style.css";
import { App } from "./App";
import { takeTokenFromAddress } from "./session";

takeTokenFromAddress();
addEventListener("hashchange", () => location.reload()); // another link in this tab

const { gateway_url } = (await (await fetch("/config.json")).json()) as { gateway_url: string };
createRoot(document.getElementById("root")!).render(<App gatewayUrl={gateway_url} />);
