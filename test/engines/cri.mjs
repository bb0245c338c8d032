/**
 * A client of containerd's CRI. The API description isn't shipped with the tests: the containerd binary embeds its own
 * (gzip-compressed), so the client always speaks the version of the daemon it talks to.
 *
 * Needs @grpc/grpc-js, @grpc/proto-loader and protobufjs below the directory in CRI_MODULES.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gunzipSync } from "node:zlib";

/**
 * @param {string} socket path of containerd's socket
 * @param {string} modules directory whose node_modules holds the three packages
 * @returns {(method: string, request?: object) => Promise<any>} calls a method of the runtime or image service
 */
export function connect(socket, modules) {
  const require = createRequire(`${modules}/`);
  const grpc = require("@grpc/grpc-js");
  const loader = require("@grpc/proto-loader");
  const descriptor = require("protobufjs/ext/descriptor");
  const api = embeddedApi(readFileSync("/usr/bin/containerd"), descriptor);
  const set = descriptor.FileDescriptorSet.encode(descriptor.FileDescriptorSet.create({ file: [api] })).finish();
  const options = { keepCase: true, longs: String, defaults: true };
  const { v1 } = grpc.loadPackageDefinition(loader.loadFileDescriptorSetFromBuffer(Buffer.from(set), options)).runtime;
  const credentials = grpc.credentials.createInsecure();
  const runtime = new v1.RuntimeService(`unix://${socket}`, credentials);
  const images = new v1.ImageService(`unix://${socket}`, credentials);
  return (method, request = {}) =>
    new Promise((resolve, reject) => {
      const service = runtime[method] ? runtime : images;
      const deadline = Date.now() + 30000;
      service[method](request, { deadline }, (error, response) => (error ? reject(error) : resolve(response)));
    });
}

/** Finds the compressed descriptor of package runtime.v1 in the program. */
function embeddedApi(program, descriptor) {
  const magic = Buffer.from([0x1f, 0x8b, 8]);
  let found;
  for (let at = program.indexOf(magic); at >= 0; at = program.indexOf(magic, at + 1)) {
    let file;
    try {
      const text = gunzipSync(program.subarray(at, at + 400000));
      if (
        text[0] !== 0x0a ||
        !text
          .subarray(2, 2 + text[1])
          .toString()
          .endsWith(".proto")
      )
        continue;
      file = descriptor.FileDescriptorProto.decode(text);
    } catch {
      continue;
    }
    if (file.package === "runtime.v1") found = file;
  }
  if (!found) throw new Error("containerd holds no description of runtime.v1");
  found.dependency = []; // its options don't change what goes over the wire
  return found;
}
