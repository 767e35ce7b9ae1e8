import type { ShownFacts } from "./verify-proof.ts";

/** What a proof shows, as it is told to people and programs: of the inputs their number, of the outputs the artifact. */
export interface ProofFacts extends Omit<ShownFacts, "artifact" | "dictum" | "inputs" | "outputs" | "root"> {
  readonly path: string;
  readonly sha256: string;
  readonly inputs: number;
}

export function proofFacts(shown: ShownFacts): ProofFacts {
  const { artifact, inputs, outputs: _outputs, dictum: _dictum, root: _root, ...rest } = shown;
  return { ...rest, path: artifact.path, sha256: artifact.sha256, inputs: inputs.length };
}

/** The facts in words, each with its name: the same on a terminal and in the page. */
export function factLines(facts: ProofFacts): readonly (readonly [name: string, value: string])[] {
  const inputs = `${facts.inputs} ${facts.inputs === 1 ? "file" : "files"}`;
  return [
    ["artifact", `${facts.path}  ${facts.sha256}`],
    ["chore", facts.chore],
    ["command", facts.command.join(" ")],
    ["when", `${facts.startedOn} to ${facts.finishedOn}, by its rnode's clock`],
    ["builder", `${facts.builder}, rnode ${facts.rnode}`],
    ["image", facts.image],
    ["inputs", `${inputs}, ${facts.complete ? "complete: the sandbox enforced it" : "not known to be complete"}`],
    ["signed by", `rnode key ${facts.signer[0]}`],
    ["endorsed", facts.signer.length > 1 ? `by key ${facts.signer[1]}` : "by the ledger's first record"],
    ["ledger", `${facts.ledger}, record ${facts.seq} of ${facts.size}`],
    ["log key", facts.log.join(", ")],
    ["witnesses", facts.witnesses.length === 0 ? "unwitnessed: none that a policy names" : facts.witnesses.join(", ")],
    ["results", agreementText(facts.agreeing)],
  ];
}

const agreementText = (agreeing: number): string =>
  agreeing === 0
    ? "executed again with another result"
    : agreeing === 1
      ? "executed once; never challenged"
      : `${agreeing} executions gave these bytes`;
