// The name, and the pill that says how changes arrive now.

import { useText } from "../context";
import type { Connection } from "../feed/feed";

export function Header({ connection }: { connection: Connection | null }) {
  const { words } = useText();
  return (
    <header>
      <h1><img src="/icon.svg" alt="" width="28" height="28" /> Sonnette</h1>
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
