import { NumberInput } from "@mantine/core";

const MICROS = 1_000_000;

/** What such a field holds: empty is no limit. */
export type Dollars = number | string;

export const dollarsOf = (micros: number | null | undefined): Dollars =>
  micros == null ? "" : micros / MICROS;
export const microsOf = (dollars: Dollars): number | null =>
  dollars === "" ? null : Math.round(Number(dollars) * MICROS);

type Props = {
  label?: string;
  description: string;
  value: Dollars;
  change: (value: Dollars) => void;
  "data-autofocus"?: boolean;
};

export function DollarInput({ label = "Dollars", change, ...rest }: Props) {
  return <NumberInput label={label} onChange={change} min={0} decimalScale={6} prefix="$" {...rest} />;
}
