import { expect, test } from "vitest";
import type { Execution } from "../src/api/client";
import { currentPhase } from "../src/features/task/phases";

const execution = (fields: object) =>
  ({ state: "failed", phase_seconds: {}, question: null, ...fields }) as Execution;

test.each([
  ["it has told of nothing", { state: "assigned" }, "prepare"],
  ["it runs", { state: "verifying", phase_seconds: { prepare: 1 } }, "verify"],
  ["it ended there", { phase_seconds: { prepare: 1, implement: 2, verify: 3 } }, "verify"],
  [
    "it asks in the next one",
    { state: "waiting_input", phase_seconds: { prepare: 1 }, question: { node: "implement" } },
    "implement",
  ],
  ["it went on after an answer", { phase_seconds: { verify: 1 }, question: { node: "implement" } }, "verify"],
])("the phase of an execution without steps: %s", (_, fields, phase) => {
  expect(currentPhase(execution(fields), [])).toBe(phase);
});
