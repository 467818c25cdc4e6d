/** "verify_failed" as a person reads it. */
export const words = (name: string) => name.replaceAll(/[_-]/g, " ");
