/**
 * A client of containerd's CRI. The API description isn't shipped with the tests: the containerd binary embeds its own
 * (gzip-compressed), so the client always speaks the version of the daemon it talks to.
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";
import descriptor from "protobufjs/ext/descriptor/index.js";

/**
 * @param {string} socket path of containerd's socket
 * @returns {{
 *   call: (method: string, request?: object) => Promise<any>,
 *   ready: () => Promise<void>,
 *   close: () => void,
 * }} call: a method of the runtime or image service; ready: waits for the daemon to answer
 */
export function connect(socket) {
  const api = embeddedApi(readFileSync("/usr/bin/containerd"));
  const set = descriptor.FileDescriptorSet.encode(descriptor.FileDescriptorSet.create({ file: [api] })).finish();
  const options = { keepCase: true, longs: String, enums: String, defaults: true };
  const { v1 } = grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(Buffer.from(set), options)).runtime;
  const credentials = grpc.credentials.createInsecure();
  const runtime = new v1.RuntimeService(`unix://${socket}`, credentials);
  const images = new v1.ImageService(`unix://${socket}`, credentials);
  const call = (method, request = {}) =>
    new Promise((resolve, reject) => {
      const service = runtime[method] ? runtime : images;
      const deadline = Date.now() + 60_000;
      service[method](request, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
    });
  return {
    call,
    close: () => {
      runtime.close();
      images.close();
    },
    // The socket is there before the services behind it are.
    ready: async () => {
      for (let tries = 0; ; tries++) {
        try {
          await call("Version");
          return;
        } catch (error) {
          if (tries === 100) throw error;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
    },
  };
}

/** Finds the compressed descriptor of package runtime.v1 in the program. */
function embeddedApi(program) {
  const magic = Buffer.from([0x1f, 0x8b, 8]);
  let found;
  for (let at = program.indexOf(magic); at >= 0; at = program.indexOf(magic, at + 1)) {
    let file;
    try {
      const text = gunzipSync(program.subarray(at, at + 400_000));
      const name = text.subarray(2, 2 + text[1]).toString();
      if (text[0] !== 0x0a || !name.endsWith(".proto")) continue;
      file = descriptor.FileDescriptorProto.decode(text);
    } catch {
      continue; // something else that begins with these three bytes
    }
    if (file.package === "runtime.v1") found = file;
  }
  if (!found) throw new Error("containerd holds no description of runtime.v1");
  found.dependency = []; // its options don't change what goes over the wire
  return found;
}
