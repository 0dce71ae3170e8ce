/** Runs the built example `name` until `stop`, which ends it by its process id. */
export function start(
  name: string,
  options?: { address?: string; args?: string[] },
): Promise<{ address: string; interrupt(): Promise<number | null>; stop(): Promise<void> }>;
