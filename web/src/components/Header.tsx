// The name, and the pill that says how changes arrive now.

import { useText } from "../context";
import type { Connection } from "../feed/feed";

export function Header({ connection }: { connection: Connection | null }) {
  const { words } = useText();
  return (
    <header>
      <h1><Bell /> Sonnette</h1>
      <p
        id="connection"
        role="status"
        data-state={connection ?? "signed-out"}
        title={connection ? words.connectionHint[connection] : undefined}
      >
        {connection ? words.connection[connection] : words.signedOut}
      </p>
    </header>
  );
}

// Drawn here and not fetched: a site that embeds the page has no icon.svg.
function Bell() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#2f5bea" />
      <path d="M16 6a6.5 6.5 0 0 0-6.5 6.5c0 5.5-2.5 7-2.5 8.5h18c0-1.5-2.5-3-2.5-8.5A6.5 6.5 0 0 0 16 6z" fill="#fff" />
      <path d="M13 23a3 3 0 0 0 6 0z" fill="#fff" />
    </svg>
  );
}
