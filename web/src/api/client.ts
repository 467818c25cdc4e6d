import createClient from "openapi-fetch";
import { fetchOrKeep, Kept, mayBeKept, NotKept } from "./outbox";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Task = Schemas["Task"];
export type Execution = Schemas["Execution"];
export type ExecutionNode = Schemas["ExecutionNode"];
export type Question = Schemas["Question"];
export type Change = Schemas["Change"];
export type Comparison = Schemas["Comparison"];
export type Candidate = Schemas["Candidate"];
export type Project = Schemas["Project"];
export type Worker = Schemas["Worker"];
export type Automation = Schemas["Automation"];
export type Budget = Schemas["Budget"];
export type CostsReport = Schemas["CostsReport"];
export type Session = Schemas["Session"];
export type TaskState = Schemas["TaskState"];

/** What the coordinator answered instead of the thing asked for; its text is for the user. */
export class ApiProblem extends Error {
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;

  constructor(status: number, detail: string, code = "") {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

export const api = createClient<paths>({
  baseUrl: location.origin,
  credentials: "same-origin",
  fetch: fetchOrKeep,
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer; throws ApiProblem with the coordinator's own sentence, or Kept or NotKept. */
export async function taken<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked.catch((problem) => {
    if (problem instanceof Kept || problem instanceof NotKept) throw problem;
    throw new ApiProblem(0, "The coordinator can't be reached; try again.");
  });
  if (response.ok) return data as T;
  const { detail, code } = (error ?? {}) as { detail?: string; code?: string };
  throw new ApiProblem(response.status, detail ?? "The coordinator did not answer; try again.", code);
}

/** A new idempotency key's header: what is sent again with it happens once.
 *
 * With `what` it does, in words, it waits in the outbox where there is no connection: `taken` throws Kept. */
export function once(what?: string) {
  // Browsers have randomUUID only where the page came by TLS or from this machine.
  const random = crypto.getRandomValues(new Uint32Array(4));
  const key = Array.from(random, (part) => part.toString(36)).join("-");
  if (what !== undefined) mayBeKept(key, what);
  return { "Idempotency-Key": key };
}
