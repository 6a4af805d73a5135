export function dirname(path: string | URL): string;
