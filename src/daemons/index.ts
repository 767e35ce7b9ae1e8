export * from "./fulcrum/fulcrum.ts";
export * from "./fulcrum/fulcrum-error.ts";
export { FulcrumLock } from "./fulcrum/fulcrum-lock.ts";
export { type RunningStatusServer, startStatusServer } from "./fulcrum/status-server.ts";
export { tellSystemd } from "./fulcrum/systemd.ts";
