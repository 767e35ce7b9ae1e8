import { type WayOut, ways } from "./way-out.ts";

/** Files that were not declared, and what was declared but is not the recipe's to change. */
export const FILES: readonly WayOut[] = [
  ...ways(
    ["an undeclared file by its path", "cat $HOST_FILE", "open", "held", "held"],
    ["an undeclared file by a path with dots", "cat ../../../../../../../../$HOST_FILE", "open", "held", "held"],
    ["an undeclared file through its own root", "cat /proc/self/root$HOST_FILE", "open", "held", "held"],
    ["an undeclared file through the first process's root", "cat /proc/1/root$HOST_FILE", "-", "held", "held"],
    ["an undeclared file through begat's root", "cat /proc/$HOST_PID/root$HOST_FILE", "-", "held", "held"],
    ["an undeclared file through its own link", "ln -s $HOST_FILE l; cat l", "open", "held", "held"],
    ["an undeclared file by a hard link", "ln $HOST_FILE l && cat l", "-", "held", "held"],
    ["the blob store", "ls $STORE", "open", "held", "held"],
    ["the host's passwords", "cat /etc/shadow", "held", "held", "held"],
    ["the host's /sys", "test -e /sys/kernel", "open", "held", "held"],
    ["the host's /var", "test -e /var/log", "open", "held", "held"],
    ["a program that no image has", "test -x /usr/bin/dpkg -o -x /usr/bin/rpm", "-", "-", "held"],
    ["other recipes' directories", "ls -d /dev/shm/begat-*", "-", "held", "held"],
    ["a file in the host's /tmp", "test -e $HOST_TMP", "open", "held", "held"],
    ["shared memory of the host by name", "test -e $HOST_SHM", "open", "held", "held"],
    ["a small input, written", "echo x >>in/small", "held", "held", "held"],
    ["a large input, written", "echo x >>in/large", "held", "held", "held"],
    ["a large input, truncated", "truncate -s 0 in/large", "held", "held", "held"],
    ["a large input, made writable", "chmod 666 in/large", "-", "held", "held"],
    ["a large input, linked and written", "ln in/large l && echo x >>l", "held", "held", "held"],
    ["a large input, touched", "touch in/large", "-", "held", "held"],
    ["a large input through its descriptor", "exec 4<in/large; echo x >>/proc/self/fd/4", "held", "held", "held"],
    ["/usr, written", ": >/usr/x", "held", "held", "held"],
    ["/etc, written", ": >/etc/x", "held", "held", "held"],
    ["/bin/sh, replaced", "cp in/small /bin/sh", "held", "held", "held"],
    // With the host's tools the root is a tmpfs of the sandbox's own, gone with it.
    ["the root, written", "mkdir /x", "held", "held", "held"],
    ["the root through /proc, written", ": >/proc/self/root/usr/x", "held", "held", "held"],
    ["the root, made writable", "mount -o remount,rw /", "held", "held", "held"],
    ["a device that is made", "mknod d c 1 3 && echo x >d", "held", "held", "held"],
    ["a block device that is made", "mknod d b 8 0", "held", "held", "held"],
    ["disks of the host", "ls /dev/sd* /dev/vd* /dev/nvme* /dev/mem /dev/kmsg", "-", "held", "held"],
    ["the controlling terminal", "echo x >/dev/tty", "held", "held", "held"],
    ["a setuid bit", "cp /bin/cat c; chmod 4755 c", "open", "open", "held"],
    ["a setgid bit on a directory", "mkdir g; chmod 2775 g", "open", "open", "held"],
    ["kernel memory", "head -c 1 /proc/kcore", "held", "held", "held"],
    ["kernel settings, written", "echo 1 >/proc/sys/kernel/core_pattern", "held", "held", "held"],
    ["the kernel's own keys", "echo h >/proc/sysrq-trigger", "held", "held", "held"],
  ),
  ...outputs("output-rejected", [
    ["an output that is a link to the host", "ln -s $HOST_FILE o"],
    ["an output that leads out by dots", "ln -s ../../../etc/passwd o"],
    ["an output that is a FIFO", "mkfifo o"],
    [
      "an output that is a socket",
      "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"o\"))'",
    ],
    ["an output that is a directory", "mkdir o"],
  ]),
  ...outputs("resource", [
    ["a sparse output of 2 GiB", "truncate -s 2G o"],
    ["a sparse output of 1 TiB", "truncate -s 1T o"],
  ]),
  ...outputs(
    "output-rejected",
    [
      ["a tree with a link to the host", "mkdir o; ln -s $HOST_FILE o/l"],
      ["a tree with a name that is not UTF-8", "mkdir o; : >o/$(printf '\\377')"],
      ["a tree with a control character in a name", "mkdir o; : >o/$(printf 'a\\033[2Jb')"],
      ["a tree of 60 levels", "d=o; mkdir o; for i in $(seq 60); do d=$d/x; mkdir $d; done"],
    ],
    "o/",
  ),
  ...outputs("resource", [["a tree of 1,500 files", "mkdir o; cd o; seq 1500 | xargs touch"]], "o/"),
];

function outputs(
  verdict: "output-rejected" | "resource",
  rows: readonly (readonly [name: string, attempt: string])[],
  output = "o",
): WayOut[] {
  return rows.map(([name, attempt]) => {
    return { name, attempt, none: verdict, contained: verdict, hermetic: verdict, outputs: [output] };
  });
}
