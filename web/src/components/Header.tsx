// The name, and the pill that says how changes arrive now.

import type { ReactNode } from "react";

import { useText } from "../context";
import type { Connection } from "../feed/feed";

export function Header({ connection, children }: { connection: Connection | null; children?: ReactNode }) {
  const { words } = useText();
  return (
    <header>
      <h1><img src="/icon.svg" alt="" width="28" height="28" /> Sonnette</h1>
      <div className="tools">
        <p
          id="connection"
          role="status"
          data-state={connection ?? "signed-out"}
          title={connection ? words.connectionHint[connection] : undefined}
        >
          {connection ? words.connection[connection] : words.signedOut}
        </p>
        {children}
      </div>
    </header>
  );
}
