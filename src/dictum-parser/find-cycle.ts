/**
 * A cycle in a graph given as compressed sparse rows, as the indexes along it, or `undefined` where there is none.
 *
 * @param starts Where each node's successors begin in `successors`; one more entry than there are nodes.
 * @param successors Node indexes. An edge from a node to itself is a cycle of one.
 */
export function findCycle(starts: ArrayLike<number>, successors: ArrayLike<number>): number[] | undefined {
  const count = starts.length - 1;
  if (count <= 0) return undefined;
  // 0 not seen, 1 on the path being walked, 2 done. Walked without recursion: a chain may be 100,000 long.
  const state = new Uint8Array(count);
  const path = new Int32Array(count);
  const nextEdge = new Int32Array(count);
  for (let root = 0; root < count; root++) {
    if (state[root] !== 0) continue;
    let depth = 0;
    path[0] = root;
    nextEdge[0] = starts[root] as number;
    state[root] = 1;
    while (depth >= 0) {
      const node = path[depth] as number;
      const edge = nextEdge[depth] as number;
      if (edge === starts[node + 1]) {
        state[node] = 2;
        depth--;
        continue;
      }
      nextEdge[depth] = edge + 1;
      const successor = successors[edge] as number;
      if (state[successor] === 1) {
        const from = path.indexOf(successor);
        return Array.from(path.subarray(from, depth + 1));
      }
      if (state[successor] !== 0) continue;
      state[successor] = 1;
      path[++depth] = successor;
      nextEdge[depth] = starts[successor] as number;
    }
  }
  return undefined;
}
