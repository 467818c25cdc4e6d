/** What a worker measured of its machine (`pullyard doctor`); older ones tell less. */
export type Probe = {
  name: string;
  available?: boolean;
  start_seconds?: number | null;
  escapes?: Record<string, boolean>;
  bounds?: Record<string, boolean>;
  remedy?: string | null;
};

export type WorkerFacts = {
  sandbox?: string;
  free_bytes?: number;
  sandboxes?: Record<string, Omit<Probe, "name">>;
};

export function probesOf({ sandboxes }: WorkerFacts): Probe[] {
  const probes = Object.entries(sandboxes ?? {}).map(([name, probe]) => ({ ...probe, name }));
  return probes.sort((left, right) => Number(right.available) - Number(left.available));
}
