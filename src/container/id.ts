// Container ids: one component of a path, from a small alphabet.

import { UserError } from "../errors.ts";

/** Room for what is built from an id: file names, the keyring "_ses.ID", "~ID~PID" while it is deleted. */
const maxLength = 240;

/** The id itself; UserError when it can't be one. */
export function checkId(id: string): string {
  if (id === "") throw new UserError("container id cannot be empty", { code: "bad-id" });
  if (!/^[A-Za-z0-9_+.-]+$/.test(id) || id === "." || id === "..") {
    throw new UserError(`invalid container ID format: ${JSON.stringify(id)}`, {
      code: "bad-id",
      hint: "use letters, digits and _ + - . only",
    });
  }
  if (id.length > maxLength) {
    throw new UserError(`invalid container ID format: ${id.length} characters are more than ${maxLength}`, {
      code: "bad-id",
    });
  }
  return id;
}
