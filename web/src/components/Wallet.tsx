// Balance, frozen and available; available is what a purchase can use.

import { useText } from "../context";
import { amount, twoDecimals, type Wallet } from "../rows";

export function WalletView({ wallet, currency }: { wallet: Wallet | undefined; currency: string }) {
  const { words } = useText();
  const shown = (money: number | string) => (wallet ? `${twoDecimals(money)} ${currency}` : "–");
  const balance = wallet?.balance ?? 0;
  const frozen = wallet?.frozen ?? 0;
  return (
    <section id="wallet" aria-labelledby="wallet-title">
      <h2 id="wallet-title">{words.wallet}</h2>
      <dl className="wallet">
        <div className="main"><dt>{words.available}</dt><dd id="available">{shown(amount(balance) - amount(frozen))}</dd></div>
        <div><dt>{words.frozen}</dt><dd id="frozen">{shown(frozen)}</dd></div>
        <div><dt>{words.balance}</dt><dd id="balance">{shown(balance)}</dd></div>
      </dl>
    </section>
  );
}
