// A D-Bus server that misbehaves: node bus.mjs SOCKET BEHAVIOUR. Connections are answered as the behaviour says.
import { createServer } from "node:net";

const [, , path, behaviour] = process.argv;
const ok = "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n";

/** A message in answer to the call with this serial: type 2 is a reply, 3 an error. Only what these tests need. */
function answer(serial, type, fields, body) {
  const parts = [Buffer.of(5, 1, 0x75, 0), u32(serial)];
  for (const [field, signature, text] of fields) {
    while (Buffer.concat(parts).length % 8 !== 0) parts.push(Buffer.of(0));
    const length = signature === "g" ? Buffer.of(text.length) : u32(text.length);
    parts.push(Buffer.of(field, 1, signature.charCodeAt(0), 0), length, Buffer.from(`${text}\0`));
  }
  const header = Buffer.concat(parts);
  const padding = Buffer.alloc((8 - (header.length % 8)) % 8);
  return Buffer.concat([
    Buffer.of(0x6c, type, 0, 1),
    u32(body.length),
    u32(1),
    u32(header.length),
    header,
    padding,
    body,
  ]);
}

function u32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function string(text) {
  return Buffer.concat([u32(text.length), Buffer.from(`${text}\0`)]);
}

const server = createServer((connection) => {
  connection.on("error", () => undefined);
  let greeted = false;
  connection.on("data", (data) => {
    if (behaviour === "silent") return;
    if (!greeted) {
      greeted = true;
      if (behaviour === "reject") connection.write("REJECTED EXTERNAL\r\n");
      else if (behaviour === "stranger") connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
      else if (behaviour === "endless") connection.write("x".repeat(10_000));
      else connection.write(ok);
      if (behaviour === "leave") connection.end();
      return;
    }
    const serial = data.readUInt32LE(8);
    if (behaviour === "garbage") connection.write(Buffer.from("this is no message, but long enough to be one"));
    if (behaviour === "huge")
      connection.write(Buffer.concat([Buffer.of(0x6c, 2, 0, 1), u32(0x7fffffff), u32(1), u32(0)]));
    if (behaviour === "half") connection.end(Buffer.of(0x6c, 2, 0, 1, 9));
    if (behaviour === "refuse") {
      const fields = [
        [4, "s", "org.example.No"],
        [8, "g", "s"],
      ];
      connection.write(answer(serial, 3, fields, string("not today")));
    }
    if (behaviour === "no-signal") {
      connection.write(answer(serial, 2, [[8, "g", "o"]], string("/job/1")));
    }
    if (behaviour === "bytewise") {
      const message = answer(serial, 2, [[8, "g", "s"]], string("here"));
      let at = 0;
      const timer = setInterval(() => {
        if (at === message.length) clearInterval(timer);
        else connection.write(message.subarray(at, ++at));
      }, 1);
    }
  });
});
server.listen(path, () => process.stdout.write("ready\n"));
