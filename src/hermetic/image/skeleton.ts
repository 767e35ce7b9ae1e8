import { MERGED_DIRECTORIES } from "./place.ts";

export interface SkeletonFile {
  readonly place: string;
  readonly text: string;
}

/** Users that every image has; `build` is who recipes run as. */
const PASSWD = `root:x:0:0:root:/root:/bin/sh
build:x:1000:1000:build:/home/build:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
`;

const GROUP = `root:x:0:
build:x:1000:
nogroup:x:65534:
`;

/** What lookups need without a network: files first, names of the machine itself. */
const NSSWITCH = `passwd: files
group: files
shadow: files
hosts: files dns
`;

const HOSTS = `127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
`;

/** Files of every image that stands on no other; packages and declared files take their place. */
export const SKELETON_FILES: readonly SkeletonFile[] = [
  { place: "etc/group", text: GROUP },
  { place: "etc/hostname", text: "build\n" },
  { place: "etc/hosts", text: HOSTS },
  { place: "etc/nsswitch.conf", text: NSSWITCH },
  { place: "etc/passwd", text: PASSWD },
  { place: "etc/resolv.conf", text: "" },
];

/** Directories of every image: what is mounted over at run time must be there, the root being read-only. */
export const SKELETON_DIRECTORIES: readonly string[] = [
  "build",
  "dev",
  "etc",
  "home/build",
  "proc",
  "root",
  "run",
  "sys",
  "tmp",
  "usr/bin",
  "usr/lib",
  "usr/sbin",
  "var/tmp",
];

/** Anybody may write here, in a container that is not read-only; an unpacked root has them 0755 all the same. */
export const SHARED_DIRECTORIES: ReadonlySet<string> = new Set(["tmp", "var/tmp"]);

/** /bin and its like, as links below /usr. */
export const SKELETON_LINKS = MERGED_DIRECTORIES.map((name) => ({ place: name, target: `usr/${name}` }));

/** Further directories of a merged /usr, which are there where something stands in them. */
export const OPTIONAL_MERGED = ["lib32", "lib64", "libo32", "libx32"] as const;

/** Where programs are looked for, unless the image says otherwise. */
export const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
