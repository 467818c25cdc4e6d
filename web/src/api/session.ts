import { queryOptions } from "@tanstack/react-query";
import { mayPass } from "../lib/problems";
import { forgetMine } from "../lib/stores";
import { ApiProblem, api, type Session, taken } from "./client";
import { offlineSince } from "./live";
import { clearOutbox, openOutbox } from "./outbox";
import { forgetDevice } from "./push";
import { forget, known, recall } from "./remember";

const PATIENCE_MS = 8_000;
const AGAIN_MS = 5_000;

/** Who is logged in; while nobody can be asked, whoever was, with what was read then. */
export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: () => ask().catch(whoWas),
  staleTime: 60_000,
  // Before anybody is known to be here there is no connection that would have it asked again.
  refetchInterval: ({ state: { data, error } }) => !data && error !== null && mayPass(error) && AGAIN_MS,
});

async function ask(): Promise<Session> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const session = await taken(api.GET("/api/v1/session", { signal }));
  await recall(session);
  void openOutbox(session.member_id);
  return session;
}

async function whoWas(problem: unknown): Promise<Session> {
  if (!(problem instanceof ApiProblem)) throw problem;
  if (problem.status === 401) await forget();
  if (!mayPass(problem)) throw problem;
  const at = await recall();
  if (at !== undefined) offlineSince.set(at);
  const session = known();
  if (!session) throw problem;
  await openOutbox(session.member_id);
  return session;
}

/** Ends the session, and removes what this device keeps of it. */
export async function leave() {
  await taken(api.DELETE("/api/v1/session"));
  await forget();
  forgetMine();
  await clearOutbox();
  await forgetDevice().catch(() => undefined);
}
