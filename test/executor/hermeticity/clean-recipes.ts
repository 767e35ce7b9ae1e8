/** Recipes that do nothing wrong: no sandbox may stand in their way, and each makes the same `o` everywhere. */
export const CLEAN: readonly { readonly name: string; readonly recipe: string }[] = [
  { name: "copies an input", recipe: "cp in/small o" },
  { name: "reads a large input", recipe: "sha256sum <in/large >o" },
  { name: "uses pipes", recipe: "seq 1000 | sort -r | uniq | tail -n 3 >o" },
  { name: "waits for children", recipe: "(sleep 0.01; echo a >a) & (echo b >b) & wait; cat a b >o" },
  { name: "uses temporary files", recipe: 'echo t >"$TMPDIR/t"; echo h >~/h; cat "$TMPDIR/t" ~/h >o' },
  { name: "uses a FIFO of its own", recipe: "mkfifo f; echo through >f & cat f >o; wait" },
  { name: "links its own files", recipe: "echo x >a; ln a b; ln -s b c; cat c >o; rm a b c" },
  { name: "deletes and replaces inputs", recipe: "rm in/small; echo new >in/small; cp in/small o" },
  { name: "prints in colour", recipe: "printf '\\033[31mred\\033[0m'; echo done >o" },
  { name: "handles signals", recipe: "trap 'echo caught >o' TERM; kill -TERM $$" },
  {
    name: "reads a directory in the order of its making",
    recipe: "mkdir d; for n in c a b; do : >d/$n; done; ls d >o",
  },
  {
    name: "talks to itself over the loopback",
    recipe: `perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(0, inet_aton("127.0.0.1"))); listen(S, 1);
      my ($port) = sockaddr_in(getsockname(S)); if (!fork) { socket(C, PF_INET, SOCK_STREAM, 0);
      connect(C, sockaddr_in($port, inet_aton("127.0.0.1"))); syswrite(C, "said"); exit }
      accept(A, S); sysread(A, my $x, 9); wait; print $x' >o`,
  },
  {
    name: "talks to itself over a socket pair",
    recipe: `perl -MSocket -e 'socketpair(A, B, PF_UNIX, SOCK_STREAM, 0); syswrite(A, "x"); sysread(B, my $x, 9); print $x' >o`,
  },
  { name: "makes leaves of a deep tree", recipe: "mkdir -p a/b/c/d/e/f; echo x >a/b/c/d/e/f/g; cat a/b/c/d/e/f/g >o" },
];
