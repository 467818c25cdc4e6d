import { Button } from "@mantine/core";
import { useState } from "react";
import { plain } from "../plain";
import "./markdown.css";

const FIRST_LINES = 14;

/** What programs read or print, the beginning first. */
export function Code({ text, label, bad }: { text: string; label?: string; bad?: boolean }) {
  const [whole, setWhole] = useState(false);
  const lines = plain(text).replace(/\n+$/, "").split("\n");
  const more = whole ? 0 : Math.max(0, lines.length - FIRST_LINES);
  return (
    <>
      {label && <span className="code-label">{plain(label)}</span>}
      <pre className="turn-code" data-bad={bad || undefined}>
        {(more ? lines.slice(0, FIRST_LINES) : lines).join("\n")}
      </pre>
      {more > 0 && (
        <Button className="turn-more" variant="subtle" size="compact-xs" onClick={() => setWhole(true)}>
          {more} more {more === 1 ? "line" : "lines"}
        </Button>
      )}
    </>
  );
}
