import { statusNumber } from "../../fulcrum-client/index.ts";
import { type FileDescriptor, fileDescriptors, reflection, reflectionV1alpha } from "../../protocol/index.ts";
import { type BoundService, bindService } from "../wire/index.ts";

const byName = new Map(fileDescriptors.map((file) => [file.name, file]));

type Answer = NonNullable<reflection.ServerReflectionResponse["messageResponse"]>;

/** What the server speaks, under both names of the protocol. `services` are full names; these two are added. */
export function reflectionServices(services: readonly string[]): BoundService[] {
  const names = [...services, ...[reflection, reflectionV1alpha].map((at) => at.ServerReflectionDefinition.fullName)];
  async function* serverReflectionInfo(
    requests: AsyncIterable<reflection.ServerReflectionRequest>,
  ): AsyncGenerator<reflection.ServerReflectionResponse> {
    for await (const request of requests) {
      yield { validHost: request.host, originalRequest: request, messageResponse: answer(names, request) };
    }
  }
  return [
    bindService(reflection.ServerReflectionDefinition, { serverReflectionInfo }),
    bindService(reflectionV1alpha.ServerReflectionDefinition, { serverReflectionInfo }),
  ];
}

function answer(names: readonly string[], { messageRequest: asked }: reflection.ServerReflectionRequest): Answer {
  switch (asked?.$case) {
    case "listServices":
      return { $case: "listServicesResponse", value: { service: [...names].sort().map((name) => ({ name })) } };
    case "fileByFilename":
      return files(byName.get(asked.value), `file ${asked.value}`);
    case "fileContainingSymbol":
      return files(
        fileDescriptors.find(({ symbols }) => symbols.includes(asked.value)),
        `symbol ${asked.value}`,
      );
    case "allExtensionNumbersOfType":
    case "fileContainingExtension":
      return failure("NOT_FOUND", "no message here has extensions");
    case undefined:
      return failure("INVALID_ARGUMENT", "nothing is asked for");
  }
}

/** The file and all it imports, each once. */
function files(file: FileDescriptor | undefined, what: string): Answer {
  if (file === undefined) return failure("NOT_FOUND", `${what} is not known`);
  const found = new Set([file]);
  for (const { dependencies } of found) {
    for (const name of dependencies) {
      const dependency = byName.get(name);
      if (dependency !== undefined) found.add(dependency);
    }
  }
  const fileDescriptorProto = [...found].map(({ base64 }) => Buffer.from(base64, "base64"));
  return { $case: "fileDescriptorResponse", value: { fileDescriptorProto } };
}

function failure(status: "NOT_FOUND" | "INVALID_ARGUMENT", errorMessage: string): Answer {
  return { $case: "errorResponse", value: { errorCode: statusNumber(status), errorMessage } };
}
