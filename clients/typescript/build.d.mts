export function gzippedSize(entry: string): Promise<number>;
