export function join(path?: URL | string, ...paths: string[]): string;
