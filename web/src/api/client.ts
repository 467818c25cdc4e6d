import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Task = Schemas["Task"];
export type Execution = Schemas["Execution"];
export type Change = Schemas["Change"];
export type Comparison = Schemas["Comparison"];
export type Candidate = Schemas["Candidate"];
export type Project = Schemas["Project"];
export type Worker = Schemas["Worker"];
export type Automation = Schemas["Automation"];
export type Budget = Schemas["Budget"];
export type CostsReport = Schemas["CostsReport"];
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

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer; throws ApiProblem with the coordinator's own sentence. */
export async function taken<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked.catch(() => {
    throw new ApiProblem(0, "The coordinator can't be reached; try again.");
  });
  if (response.ok) return data as T;
  const { detail, code } = (error ?? {}) as { detail?: string; code?: string };
  throw new ApiProblem(response.status, detail ?? "The coordinator did not answer; try again.", code);
}

/** A new idempotency key's header: what is sent again with it happens once. */
export function once() {
  // Browsers have randomUUID only where the page came by TLS or from this machine.
  const random = crypto.getRandomValues(new Uint32Array(4));
  return { "Idempotency-Key": Array.from(random, (part) => part.toString(36)).join("-") };
}
