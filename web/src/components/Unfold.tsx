import { type ReactNode, useState } from "react";

type Props = { summary: ReactNode; children: ReactNode; open?: boolean; className?: string };

/** Folded, nothing of it is on the page: what agents wrote may be more than a page can hold. */
export function Unfold({ summary, children, open = false, className }: Props) {
  const [opened, setOpened] = useState(open);
  return (
    <details className={className} open={open} onToggle={(event) => setOpened(event.currentTarget.open)}>
      <summary>{summary}</summary>
      {opened && children}
    </details>
  );
}
