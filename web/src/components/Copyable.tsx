import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { useRef } from "react";

/** A command, or another text to be copied whole. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const clipboard = useClipboard({ timeout: 2_000 });
  const shown = useRef<HTMLPreElement>(null);
  const copy = () => {
    // Without TLS a page may not write to the clipboard: then the text is chosen, ready for Ctrl+C.
    if (shown.current) getSelection()?.selectAllChildren(shown.current);
    clipboard.copy(text);
  };
  return (
    <div className="command">
      <pre ref={shown}>{text}</pre>
      <Button size="compact-sm" variant="default" aria-label={label} onClick={copy}>
        {clipboard.copied ? "Copied" : "Copy"}
      </Button>
    </div>
  );
}
