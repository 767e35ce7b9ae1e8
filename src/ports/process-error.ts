import { BegatError } from "../base/index.ts";

export class ProcessError extends BegatError<"PROCESS_NOT_STARTED"> {}
