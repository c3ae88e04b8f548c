// A button that cannot be pressed twice, and shows that it works while it does.

import { useState, type ButtonHTMLAttributes } from "react";

interface Given extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "onClick"> {
  press(): Promise<unknown>;
}

export function Button({ press, children, ...given }: Given) {
  const [busy, setBusy] = useState(false);
  const once = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await press();
    } finally {
      setBusy(false);
    }
  };
  return (
    <button type="button" {...given} aria-busy={busy} aria-disabled={busy} onClick={() => void once()}>
      {children}
    </button>
  );
}
