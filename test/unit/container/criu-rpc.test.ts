/** Messages to and from CRIU, compared with what its own schema makes of them (protobufjs). */
import fc from "fast-check";
import protobuf from "protobufjs";
import { expect, test } from "vitest";
import {
  type CriuOptions,
  cgroupModes,
  decodeResponse,
  encodeNotified,
  encodeRequest,
  RequestType,
} from "../../../src/container/criu-rpc.ts";
import { UserError } from "../../../src/errors.ts";

/** The fields that we use, with their numbers from CRIU's rpc.proto. */
const schema = protobuf.parse(`syntax = "proto2";
message pair { required string key = 1; required string val = 2; }
message fd_pair { required string key = 1; required int32 fd = 2; }
message server { optional string address = 1; optional int32 port = 2; }
message opts {
  required int32 images_dir_fd = 1; optional int32 pid = 2; optional bool leave_running = 3; optional int32 log_level = 9;
  optional string log_file = 10; optional server ps = 11; optional bool notify_scripts = 12; optional string root = 13;
  optional int32 work_dir_fd = 17; repeated pair ext_mnt = 23; optional bool manage_cgroups = 24; repeated pair cg_root = 25;
  optional bool rst_sibling = 26; repeated fd_pair inherit_fd = 27; optional int32 manage_cgroups_mode = 34;
  repeated string external = 37; optional uint32 empty_ns = 38; optional bool orphan_pts_master = 50;
}
message notify { optional string script = 1; optional int32 pid = 2; }
message restored { required int32 pid = 1; }
message req { required int32 type = 1; optional opts opts = 2; optional bool notify_success = 3; }
message resp {
  required int32 type = 1; required bool success = 2; optional restored restore = 4; optional notify notify = 5;
  optional int32 cr_errno = 7; optional string cr_errmsg = 9; optional uint64 unknown = 99;
}`).root;

const options: CriuOptions = {
  imagesFd: 7,
  workFd: 8,
  logFile: "dump.log",
  cgroupMode: cgroupModes.ignore,
  externalMounts: [],
  emptyNamespaces: 0,
};

const decodeRequest = (bytes: Uint8Array): Record<string, unknown> =>
  schema.lookupType("req").toObject(schema.lookupType("req").decode(bytes), { longs: Number });

test("a request has the fields by CRIU's numbers", () => {
  const request = encodeRequest(RequestType.dump, {
    ...options,
    pid: 4_194_304,
    leaveRunning: true,
    root: "/ü/\u{1f980}",
    pageServer: { address: "::1", port: 65_535 },
    externalMounts: [{ key: "/a", value: "/host/a" }],
    external: ["net[1]:extRootNetNS"],
    emptyNamespaces: 0x4000_0000,
    inherited: [{ key: "pipe:[5]", fd: 4 }],
  });
  expect(decodeRequest(request)).toEqual({
    type: 1,
    opts: {
      imagesDirFd: 7,
      workDirFd: 8,
      pid: 4_194_304,
      leaveRunning: true,
      logLevel: 4,
      logFile: "dump.log",
      ps: { address: "::1", port: 65_535 },
      notifyScripts: true,
      root: "/ü/\u{1f980}",
      extMnt: [{ key: "/a", val: "/host/a" }],
      manageCgroups: true,
      manageCgroupsMode: 0,
      external: ["net[1]:extRootNetNS"],
      emptyNs: 0x4000_0000,
      inheritFd: [{ key: "pipe:[5]", fd: 4 }],
      orphanPtsMaster: true,
    },
  });
});

test("texts of any characters travel whole", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
      const { opts } = decodeRequest(encodeRequest(RequestType.restore, { ...options, root: text }));
      expect(opts).toMatchObject({ root: text });
    }),
  );
});

test("the answer to a notification says whether to go on", () => {
  expect(decodeRequest(encodeNotified(true))).toEqual({ type: 6, notifySuccess: true });
  expect(decodeRequest(encodeNotified(false))).toEqual({ type: 6, notifySuccess: false });
});

test("responses: notifications, the restored pid, errors; unknown fields are skipped", () => {
  const encode = (value: object): Uint8Array => {
    const type = schema.lookupType("resp");
    return type.encode(type.fromObject(value)).finish();
  };
  expect(
    decodeResponse(encode({ type: 6, success: true, notify: { script: "setup-namespaces", pid: 77 } })),
  ).toMatchObject({ type: 6, success: true, script: "setup-namespaces", pid: 77 });
  expect(decodeResponse(encode({ type: 2, success: true, restore: { pid: 300 }, unknown: 2 ** 52 }))).toMatchObject({
    type: 2,
    success: true,
    pid: 300,
  });
  expect(decodeResponse(encode({ type: 1, success: false, crErrno: 52, crErrmsg: "no\nsuch" }))).toMatchObject({
    success: false,
    errno: 52,
    message: "no?such",
  });
});

test("whatever else comes is an error or an answer, and ends", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeResponse(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(UserError);
        expect((error as UserError).message).toBe("criu sent a message that can't be read");
      }
    }),
    { numRuns: 2000 },
  );
});
