import { api, taken } from "../../api/client";
import { followLog } from "../../api/live";
import { useLiving } from "../../lib/living";
import { type Source, SparseLog } from "./sparse";

export function logSource(execution_id: string, stream: string): Source {
  const path = { execution_id, stream };
  return {
    read: async (first, last) => {
      const params = { path, query: { lines: `${first}-${last}` } };
      const answer = await taken(
        api.GET("/api/v1/executions/{execution_id}/logs/{stream}/lines", { params }),
      );
      return { ...answer, next: answer.next ?? null };
    },
    follow: (offset, follower) => followLog({ ...path, offset, ...follower }),
  };
}

/** Where a part of a log is, as bytes. */
export const logPart = (executionId: string, stream: string, offset: number, size: number) =>
  `/api/v1/executions/${executionId}/logs/${stream}?offset=${offset}&limit=${Math.min(size, 4 << 20)}`;

export const useSparseLog = (executionId: string, stream: string) =>
  useLiving(`${executionId} ${stream}`, (changed) => new SparseLog(logSource(executionId, stream), changed));
