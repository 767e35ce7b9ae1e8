import { X509Certificate } from "node:crypto";
import type { ChannelCredentials, experimental } from "@grpc/grpc-js";
import { loadGrpc } from "../wire/grpc.ts";
import { type AuthorityCertificate, readMemberCertificate } from "./certificate.ts";
import type { Identity } from "./identity.ts";
import { isIpAddress } from "./member.ts";

type Provider = Parameters<typeof experimental.createCertificateProviderChannelCredentials>[0];

/** grpc-js begins to listen to its own credentials only after it has asked for them. */
const soon = (tell: () => void): void => queueMicrotask(tell);

/**
 * What grpc-js asks for certificates, at each new connection. A renewed one is handed on at once, so a process goes on
 * with new connections; those that are open keep the one they were opened with.
 */
export function certificateProvider(identity: Identity): Provider {
  const stops = new Map<object, () => void>();
  const ca = { caCertificate: Buffer.from(identity.authority.pem) };
  return {
    addCaCertificateListener: (listener) => soon(() => listener(ca)),
    // The authority is the farm's name: it never changes under a member.
    removeCaCertificateListener: () => {},
    addIdentityCertificateListener(listener) {
      const tell = () =>
        listener({ certificate: Buffer.from(identity.chainPem), privateKey: Buffer.from(identity.keyPem) });
      stops.set(listener, identity.onChange(tell));
      soon(() => stops.has(listener) && tell());
    },
    removeIdentityCertificateListener(listener) {
      stops.get(listener)?.();
      stops.delete(listener);
    },
  };
}

/**
 * Credentials for a channel to the farm: this member's certificate, and a server is taken for what it says it is only
 * with a certificate of the same farm, of an rnode, that names the host which was dialled.
 *
 * @param dialled That host, where the channel is told another name to ask for.
 */
export async function clientCredentials(identity: Identity, dialled?: string): Promise<ChannelCredentials> {
  const { experimental } = await loadGrpc();
  const provider = certificateProvider(identity);
  return experimental.createCertificateProviderChannelCredentials(provider, provider, {
    checkServerIdentity: (host, { raw }) => serverProblem(dialled ?? host, raw, identity.authority),
  });
}

/** Credentials of whoever has no certificate yet but knows the authority: for `Enrol.Join` and nothing else. */
export async function joiningCredentials(
  authority: AuthorityCertificate,
  dialled?: string,
): Promise<ChannelCredentials> {
  const { experimental } = await loadGrpc();
  const ca = { caCertificate: Buffer.from(authority.pem) };
  const provider: Provider = {
    addCaCertificateListener: (listener) => soon(() => listener(ca)),
    removeCaCertificateListener: () => {},
    addIdentityCertificateListener: () => {},
    removeIdentityCertificateListener: () => {},
  };
  return experimental.createCertificateProviderChannelCredentials(provider, null, {
    checkServerIdentity: (host, { raw }) => serverProblem(dialled ?? host, raw, authority),
  });
}

/** Why the server at `host` is not one of the farm's; `undefined` if it is. TLS has checked chain and dates already. */
export function serverProblem(host: string, der: Uint8Array, authority: AuthorityCertificate): Error | undefined {
  const read = readMemberCertificate(der, authority);
  if (!read.ok) return new Error(read.because);
  const { role, name } = read.certificate.member;
  if (role !== "rnode") return new Error(`the server at ${host} has the certificate of the ${role} ${name}`);
  const certificate = new X509Certificate(der);
  const named = isIpAddress(host) ? certificate.checkIP(host) : certificate.checkHost(host);
  if (named === undefined) {
    return new Error(
      `the certificate of rnode ${name} is not for ${host} but for ${hostsOf(certificate).join(", ") || "no address"}`,
    );
  }
  return undefined;
}

function hostsOf(certificate: X509Certificate): string[] {
  return [...(certificate.subjectAltName ?? "").matchAll(/(?:DNS|IP Address):([^,]+)/g)].map(([, host]) => host ?? "");
}
