export function ensureDir(dir: string | URL): Promise<void>;
