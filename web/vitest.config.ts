import { defineConfig } from "vitest/config";

export default defineConfig({
  // No test waits for time to pass: this is for machines that are slow or busy.
  test: { include: ["tests/**/*.test.ts"], testTimeout: 60_000 },
});
