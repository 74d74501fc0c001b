export function deadLinks(root: string, pages?: readonly string[]): string[];
export function withUrls(root: string, text: string): string;
