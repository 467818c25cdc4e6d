import { Button } from "@mantine/core";
import { useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Execution } from "../../api/client";
import { type Turn, turnsOf } from "./conversation";
import { isLive } from "./phases";
import { useConversation } from "./said";
import { TurnView } from "./TurnView";

/** More of them than this are shown on demand: a page of thousands would be slow. */
const SHOWN = 200;
const NEAR_PIXELS = 60;

/** What the agent said and did, live. */
export default function Talk({ execution }: { execution: Execution }) {
  const said = useConversation(execution.id);
  const entries = said?.entries;
  const turns = useMemo(() => turnsOf(entries ?? []), [entries]);
  const [most, setMost] = useState(SHOWN);
  const box = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const shown = turns.slice(-most);
  const hidden = turns.length > shown.length;

  useLayoutEffect(() => {
    if (box.current && following.current) box.current.scrollTop = box.current.scrollHeight;
  }, [turns]);
  const earlier = () => {
    following.current = false;
    setMost((count) => count + SHOWN);
    if (!hidden) void said?.earlier();
  };
  const live = isLive(execution) && !said?.final;
  return (
    <section
      ref={box}
      className="talk"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard.
      tabIndex={0}
      aria-label="Conversation"
      onScroll={({ currentTarget: at }) => {
        following.current = at.scrollHeight - at.scrollTop - at.clientHeight < NEAR_PIXELS;
      }}
    >
      {said?.error && <p role="alert">{said.error.message}</p>}
      {(hidden || said?.more) && (
        <Button className="to-left" variant="default" size="compact-sm" onClick={earlier}>
          Show earlier
        </Button>
      )}
      {turns.length === 0 && (
        <p className="quiet">
          {!said?.ready ? "Opening…" : live ? "Nothing was said yet." : "This agent said nothing."}
        </p>
      )}
      <Turns turns={shown} executionId={execution.id} live={live} />
    </section>
  );
}

function Turns({ turns, executionId, live }: { turns: Turn[]; executionId: string; live: boolean }) {
  return turns.map((turn) => (
    <TurnView key={turn.entry.place} turn={turn} executionId={executionId} live={live} />
  ));
}
