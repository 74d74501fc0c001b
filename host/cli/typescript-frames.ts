/** placeholder */
export function frameMap(_map: string, _baseDir: string, _dist: string): string {
  return "";
}
