// What a notice does besides its toast: a sound, which can be switched off, and a browser
// notification if the user has allowed them, tagged by the activation.

const SOUND = "sonnette.sound";

export const soundIsOn = (): boolean => localStorage.getItem(SOUND) !== "off";
export const setSound = (on: boolean): void => localStorage.setItem(SOUND, on ? "on" : "off");

export function ring(): void {
  if (!soundIsOn()) return;
  const context = new AudioContext();
  const volume = new GainNode(context, { gain: 0.15 });
  volume.connect(context.destination);
  [880, 1174.7].forEach((frequency, step) => {
    const tone = new OscillatorNode(context, { frequency });
    tone.connect(volume);
    tone.start(context.currentTime + step * 0.16);
    tone.stop(context.currentTime + step * 0.16 + 0.14);
  });
  setTimeout(() => void context.close(), 1_000);
}

export const canAskToNotify = (): boolean => "Notification" in window && Notification.permission === "default";

export function notify(tag: string, title: string, body: string): void {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    new Notification(title, { body, tag });
  } catch {
    // Phones allow them to service workers only; toast and sound are there.
  }
}
