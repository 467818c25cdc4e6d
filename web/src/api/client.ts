import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Task = components["schemas"]["Task"];
export type Execution = components["schemas"]["Execution"];
export type Change = components["schemas"]["Change"];
export type Project = components["schemas"]["Project"];
export type Worker = components["schemas"]["Worker"];

/** What the coordinator answered instead of the thing asked for; its text is for the user. */
export class ApiProblem extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export const api = createClient<paths>({ baseUrl: location.origin, credentials: "same-origin" });

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer; throws ApiProblem with the coordinator's own sentence. */
export async function taken<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked;
  if (response.ok) return data as T;
  const detail = (error as { detail?: string } | undefined)?.detail;
  throw new ApiProblem(response.status, detail ?? "The coordinator did not answer; try again.");
}
