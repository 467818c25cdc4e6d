import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";

/** A command, or another text to be copied whole. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const clipboard = useClipboard({ timeout: 2_000 });
  return (
    <div className="command">
      <pre>{text}</pre>
      <Button size="compact-sm" variant="default" aria-label={label} onClick={() => clipboard.copy(text)}>
        {clipboard.copied ? "Copied" : "Copy"}
      </Button>
    </div>
  );
}
