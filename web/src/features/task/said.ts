import { api, taken } from "../../api/client";
import { followLog } from "../../api/live";
import { useLiving } from "../../lib/living";
import { Conversation, type Source, STREAM } from "./conversation";

function sourceOf(execution_id: string): Source {
  const path = { execution_id };
  return {
    size: async () => {
      const { items } = await taken(api.GET("/api/v1/executions/{execution_id}/logs", { params: { path } }));
      return items.find((one) => one.stream === STREAM)?.size_bytes ?? 0;
    },
    read: async (offset, limit) => {
      const params = { path: { ...path, stream: STREAM }, query: { offset, limit } };
      const asked = api.GET("/api/v1/executions/{execution_id}/logs/{stream}", {
        params,
        parseAs: "arrayBuffer",
      });
      return new Uint8Array((await taken(asked)) as unknown as ArrayBuffer);
    },
    follow: followLog,
  };
}

export const useConversation = (executionId: string) =>
  useLiving(executionId, (changed) => new Conversation(executionId, sourceOf(executionId), changed));
