import { Badge } from "@mantine/core";

const COLOURS: Record<string, string> = {
  queued: "blue",
  running: "yellow",
  waiting: "orange",
  completed: "green",
  succeeded: "green",
  passed: "green",
  merged: "grape",
  open: "blue",
  failed: "red",
  timed_out: "red",
  lost: "red",
  quarantined: "red",
  idle: "green",
  busy: "yellow",
  draining: "orange",
  paused: "orange",
  halted: "red",
  waiting_input: "orange",
  cancelled: "gray",
};

export function StateMark({ state }: { state: string }) {
  return (
    <Badge className="state-mark" data-colour={COLOURS[state] ?? "gray"} size="sm" tt="none" radius="sm">
      {state.replaceAll("_", " ")}
    </Badge>
  );
}
