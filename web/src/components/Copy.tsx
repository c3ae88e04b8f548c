// Copies a text, and says so for two seconds.

import { useState } from "react";

import { useText } from "../context";

const SAID_MS = 2_000;

export function Copy({ value, label }: { value: string; label: string }) {
  const { words } = useText();
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    setDone(true);
    setTimeout(() => setDone(false), SAID_MS);
  };
  return (
    <button type="button" className="copy" aria-label={done ? words.copied : label} onClick={() => void copy()}>
      {done ? words.copied : words.copy}
    </button>
  );
}
