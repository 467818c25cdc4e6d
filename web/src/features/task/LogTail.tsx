import { useEffect, useRef, useState } from "react";
import { api, taken } from "../../api/client";
import { followLog } from "../../api/live";
import { plain } from "../../components/plain";

const LINES = 2_000;
const LINE_CHARACTERS = 4_000;
const TAIL_BYTES = 512 * 1024;

/** The end of one log, live. It holds the last lines only; the whole is behind the raw link. */
export function LogTail({ executionId, stream }: { executionId: string; stream: string }) {
  const [lines, setLines] = useState<string[]>([]);
  const [over, setOver] = useState(false);
  const box = useRef<HTMLPreElement>(null);
  const following = useRef(true);

  useEffect(() => {
    let held: string[] = [""];
    let frame = 0;
    let stop: (() => void) | undefined;
    let gone = false;
    const decoder = new TextDecoder();
    const bytes = (data: Uint8Array) => {
      const [first, ...rest] = decoder.decode(data, { stream: true }).split("\n");
      const last = (held.pop() ?? "") + first;
      held = [...held, last.slice(0, LINE_CHARACTERS), ...rest.map((line) => line.slice(0, LINE_CHARACTERS))];
      held = held.slice(-LINES);
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setLines(held.map(plain));
      });
    };
    const params = { path: { execution_id: executionId } };
    taken(api.GET("/api/v1/executions/{execution_id}/logs", { params }))
      .then((page) => page.items.find((one) => one.stream === stream)?.size_bytes ?? 0)
      .catch(() => 0)
      .then((size) => {
        if (gone) return;
        const offset = Math.max(0, size - TAIL_BYTES);
        stop = followLog({ execution_id: executionId, stream, offset, bytes, ended: () => setOver(true) });
      });
    return () => {
      gone = true;
      cancelAnimationFrame(frame);
      stop?.();
    };
  }, [executionId, stream]);

  useEffect(() => {
    if (following.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);

  return (
    <>
      <pre
        ref={box}
        className="log"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard.
        tabIndex={0}
        role="log"
        aria-label={`Log of ${stream}`}
        onScroll={({ currentTarget: at }) => {
          following.current = at.scrollHeight - at.scrollTop - at.clientHeight < 40;
        }}
      >
        {lines.join("\n") || (over ? "This log is empty." : "Waiting for the first lines…")}
      </pre>
      <a href={`/api/v1/executions/${executionId}/logs/${stream}?limit=4194304`} download={`${stream}.log`}>
        Raw log
      </a>
    </>
  );
}
