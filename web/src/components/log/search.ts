import { useDebouncedValue } from "@mantine/hooks";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, taken } from "../../api/client";

const MOST = 100;
const PATIENCE_MS = 150;
const LONGEST = 200;

/** Where a text is in the whole log, by the server. `at` is the place in `matches` that is looked at. */
export function useLogSearch(executionId: string, stream: string) {
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const [wanted] = useDebouncedValue(query.slice(0, LONGEST), PATIENCE_MS);
  const found = useInfiniteQuery({
    queryKey: ["log-search", executionId, stream, wanted],
    enabled: wanted !== "",
    gcTime: 60_000,
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => {
      const query = { q: wanted, ignore_case: true, limit: MOST, cursor: pageParam };
      const params = { path: { execution_id: executionId, stream }, query };
      return taken(api.GET("/api/v1/executions/{execution_id}/logs/{stream}/search", { params, signal }));
    },
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const matches = found.data?.pages.flatMap((page) => page.matches.map((match) => match.line)) ?? [];
  const { hasNextPage, isFetching, fetchNextPage, isError } = found;
  // A long stretch without a match is answered in parts, and who has seen nearly all wants the next.
  const short = hasNextPage && at >= matches.length - 1;
  useEffect(() => {
    if (short && !isFetching && !isError) void fetchNextPage();
  }, [short, isFetching, isError, fetchNextPage]);
  const step = (by: 1 | -1) => {
    if (matches.length) setAt((at + by + matches.length) % matches.length);
  };
  return {
    query,
    wanted,
    matches,
    at,
    line: wanted ? matches[at] : undefined,
    more: hasNextPage,
    searching: wanted !== query || isFetching,
    error: found.error,
    step,
    search: (text: string) => {
      setQuery(text);
      setAt(0);
    },
  };
}
