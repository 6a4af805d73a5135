export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void;
