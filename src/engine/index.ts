export { Builder, type BuilderStatus, type SessionEnd } from "./builder.ts";
export type { BuilderSession } from "./builder-session.ts";
export { Engine, type EngineStatus, NOT_A_BUILD } from "./engine.ts";
export { type Exchange, orderEngine } from "./engine-client.ts";
export { builderSocket, builderSockets, engineDirectory, isPrivate, socketIn } from "./engine-place.ts";
export {
  type AskOrder,
  decodeAnswer,
  decodeOrder,
  type EngineAnswer,
  encodeAnswer,
  encodeOrder,
  FrameReader,
  type Order,
} from "./frames.ts";
export { localFileSystems } from "./local-file-systems.ts";
export { ownWorld } from "./own-world.ts";
export { EngineError, type StandbyEnd } from "./standby.ts";
export { type Question, type SlowCheck, WarmAnswers } from "./warm-answers.ts";
