export const SIZE_MAX: number;
export function obstacles(state: {
  readonly version: string;
  readonly changelog: string;
  readonly changedFiles: string;
  readonly tagsHere: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly publishes: boolean;
}): string[];
