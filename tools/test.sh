#!/bin/sh
# `npm test`: everything the tests need, then the tests. Arguments go to vitest: npm test -- test/cache -t "corrupt"
# Ends with the plain line `N passed, N failed, N skipped`.

set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"
sh tools/setup.sh dependencies bundle sandbox
# Costs every Node that the tests start 35 ms, and none of them speaks TLS to the outside.
unset NODE_EXTRA_CA_CERTS
# Set by npm for its scripts; what the tests start should see the environment of a shell.
unset npm_config_noproxy npm_lifecycle_event npm_lifecycle_script
exec node node_modules/vitest/vitest.mjs run "$@"
