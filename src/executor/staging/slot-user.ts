import { readFileSync } from "node:fs";

/**
 * First of the user ids recipes run under when begat is root: 0x70000000 to 0x7fffffff is the one large range that
 * neither distributions, systemd (containers end at 0x6fffffff) nor 32-bit signed ids use.
 */
const FIRST_SLOT_UID = 0x70000000;
const SLOTS_PER_PROCESS = 128;

/**
 * User id of a slot, which owns nothing outside it. Two begats at once have different ones, as their process ids
 * differ. In a user namespace that maps fewer ids, the last mapped ones are taken.
 */
export function slotUid(slot: number, pid: number = process.pid, uidMap: string = readUidMap()): number | undefined {
  const wanted = FIRST_SLOT_UID + (pid % 2 ** 20) * SLOTS_PER_PROCESS + (slot % SLOTS_PER_PROCESS);
  let last: number | undefined;
  for (const line of uidMap.split("\n")) {
    const [inside, , count] = line.trim().split(/\s+/).map(Number);
    if (inside === undefined || count === undefined) continue;
    if (wanted >= inside && wanted < inside + count) return wanted;
    // Room enough that these are not ids somebody was given.
    if (count >= 8192) last = inside + count - 1 - (slot % SLOTS_PER_PROCESS) - SLOTS_PER_PROCESS * (pid % 16);
  }
  return last;
}

let taken = 0;

/** A user id that no other slot of this process has; `undefined` where there is none to be had. */
export function nextSlotUid(): number | undefined {
  return slotUid(taken++);
}

export function hasSlotUids(): boolean {
  return slotUid(0) !== undefined;
}

function readUidMap(): string {
  try {
    return readFileSync("/proc/self/uid_map", "latin1");
  } catch {
    return "";
  }
}
