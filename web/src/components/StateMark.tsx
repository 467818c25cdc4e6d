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
};

export function StateMark({ state }: { state: string }) {
  return (
    <Badge className="state-mark" data-colour={COLOURS[state] ?? "gray"} size="sm" tt="none" radius="sm">
      {state.replace("_", " ")}
    </Badge>
  );
}
