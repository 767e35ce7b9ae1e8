// The last words of a test run: each skipped test with its reason and each that needed a second try, the seed of the files'
// order, then `N passed, N failed, N skipped`.

/** A test file that could not even be loaded counts as one failure: its tests never had a number. */
export default class SummaryReporter {
  onInit(vitest) {
    this.seed = vitest.config.sequence.seed;
  }

  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed++;
      for (const suite of module.children.allSuites()) if (suite.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const { state, note } = test.result();
        // A test that never came to an end did not pass, whatever the reason.
        counts[state === "pending" ? "failed" : state]++;
        const { retryCount = 0 } = test.diagnostic() ?? {};
        if (state === "passed" && retryCount > 0) {
          console.log(`passed only at a second try: ${module.relativeModuleId} > ${test.fullName}`);
          for (const error of test.result().errors ?? [])
            console.log(error.message.slice(0, 4000).replaceAll(/^/gm, "    "));
        }
        if (state === "skipped")
          console.log(`skipped: ${module.relativeModuleId} > ${test.fullName}${note ? `: ${note}` : ""}`);
      }
    }
    counts.failed += unhandledErrors.length;
    if (modules.length > 1) console.log(`in the order of --sequence.seed=${this.seed}`);
    console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
