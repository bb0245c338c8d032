// Lexical path work for container paths: what is asked for, not what is there (init resolves that).

/** An absolute path in its shortest form, from "/" on. */
export function cleanPath(path: string): string {
  // most paths are clean already
  if (path.startsWith("/") && !path.includes("//") && !path.includes("/.") && !path.endsWith("/")) return path;
  return `/${pathParts(path).join("/")}`;
}

/** The components of an absolute path, cleaned: no empty ones, no ".", and ".." stops at the root. */
export function pathParts(path: string): readonly string[] {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}
