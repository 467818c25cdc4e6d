import { Alert } from "@mantine/core";

/** What went wrong, in the coordinator's words; nothing while all is well. */
export function Notice({ error }: { error: Error | null }) {
  if (!error) return null;
  return (
    <Alert color="red" variant="outline" title="This did not work" role="alert">
      {error.message}
    </Alert>
  );
}
