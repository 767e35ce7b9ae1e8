import type { ServerCredentials } from "@grpc/grpc-js";
import { certificateProvider, type Identity, loadGrpc } from "../../fulcrum-client/index.ts";

/**
 * TLS for a farm's server. It asks for a certificate and also lets in who shows none or a bad one, because a joiner has
 * none yet: the role interceptor is what keeps them from everything else, so a server with these credentials is never
 * without it. A renewed certificate is shown from the next connection on.
 */
export async function serverCredentials(identity: Identity): Promise<ServerCredentials> {
  const { experimental } = await loadGrpc();
  const provider = certificateProvider(identity);
  return experimental.createCertificateProviderServerCredentials(provider, provider, false);
}
