/** Programs given along with a proof, for those who have the tools but not the patience to call them. */

/** Go's own log implementation: checksum database notes and tree proofs. Arguments: verifier key, tlog-proof, record. */
export const GO_CHECK = `// Checks that a record stands in a signed transparency log, with the packages behind Go's checksum database.
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func read(name string) string {
	bytes, err := os.ReadFile(name)
	must(err)
	return string(bytes)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "REFUSED:", err)
		os.Exit(1)
	}
}

func hash(text string) tlog.Hash {
	var h tlog.Hash
	bytes, err := base64.StdEncoding.DecodeString(text)
	must(err)
	if copy(h[:], bytes) != len(h) || len(bytes) != len(h) {
		must(fmt.Errorf("%q is no hash", text))
	}
	return h
}

func main() {
	verifier, err := note.NewVerifier(strings.TrimSpace(read(os.Args[1])))
	must(err)
	head, signed, found := strings.Cut(read(os.Args[2]), "\\n\\n")
	lines := strings.Split(head, "\\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		must(fmt.Errorf("%s is no tlog-proof", os.Args[2]))
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err)
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		proof = append(proof, hash(line))
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	must(err)
	checkpoint := strings.Split(opened.Text, "\\n")
	if checkpoint[0] != verifier.Name() {
		must(fmt.Errorf("checkpoint of %s", checkpoint[0]))
	}
	size, err := strconv.ParseInt(checkpoint[1], 10, 64)
	must(err)
	must(tlog.CheckRecord(proof, size, hash(checkpoint[2]), index, tlog.RecordHash([]byte(read(os.Args[3])))))
	fmt.Printf("record %d stands in %s, which had %d records\\n", index, checkpoint[0], size)
}
`;

/** Sigstore's own verifier. Arguments: bundle, trusted root, public key (PEM), artifact. Needs @sigstore/bundle and @sigstore/verify. */
export const SIGSTORE_CHECK = `// Checks a Sigstore bundle offline: signature, inclusion in the ledger, its checkpoint, and the artifact's digest.
import { createHash, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { bundleFromJSON } from "@sigstore/bundle";
import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";

const [bundlePath, rootPath, keyPath, artifactPath] = process.argv.slice(2);
const json = (path) => JSON.parse(readFileSync(path, "utf8"));
const bundle = bundleFromJSON(json(bundlePath));
const rawBytes = createPublicKey(readFileSync(keyPath)).export({ format: "der", type: "spki" });
const hint = createHash("sha256").update(rawBytes).digest("hex");
const trust = toTrustMaterial(TrustedRoot.fromJSON(json(rootPath)), { [hint]: { rawBytes } });
new Verifier(trust, { tlogThreshold: 1, timestampThreshold: 0, ctlogThreshold: 0 }).verify(toSignedEntity(bundle));
const statement = JSON.parse(bundle.content.dsseEnvelope.payload);
const digest = createHash("sha256").update(readFileSync(artifactPath)).digest("hex");
const subject = statement.subject.find((one) => one.digest.sha256 === digest);
if (subject === undefined) throw new Error(\`the bundle is not about \${artifactPath} (SHA-256 \${digest})\`);
console.log(\`\${subject.name} was made by \${statement.predicate.runDetails.builder.id}\`);
`;
