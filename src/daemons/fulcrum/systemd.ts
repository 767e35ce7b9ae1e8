import { spawn } from "node:child_process";

/**
 * Tells a service manager that waits for it (`Type=notify`), by systemd's own program: Node has no datagram sockets of
 * that kind. Nothing happens where nobody waits; that it could not be told is the manager's to notice.
 */
export function tellSystemd(env: Readonly<Record<string, string | undefined>>, state: string): void {
  if (!env.NOTIFY_SOCKET) return;
  const child = spawn("systemd-notify", [`--pid=${process.pid}`, state], {
    stdio: "ignore",
    env: { PATH: env.PATH, NOTIFY_SOCKET: env.NOTIFY_SOCKET },
  });
  child.on("error", () => {});
  child.unref();
}
