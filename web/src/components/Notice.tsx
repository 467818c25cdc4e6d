import { Alert } from "@mantine/core";
import { Kept } from "../api/outbox";

/** What went wrong, in the coordinator's words; nothing while all is well. */
export function Notice({ error }: { error: Error | null }) {
  if (!error) return null;
  if (error instanceof Kept)
    return (
      <Alert color="indigo" variant="outline" title="It waits" role="status">
        {error.message}
      </Alert>
    );
  return (
    <Alert color="red" variant="outline" title="This did not work" role="alert">
      {error.message}
    </Alert>
  );
}
