/** How much slower than usual the machine of this test run is: an emulated one says so by `ANTREA_TEST_PATIENCE`, a number from 1 up. */
const factor = Math.max(1, Number(process.env.ANTREA_TEST_PATIENCE ?? 1) || 1);

/** Milliseconds after which a test gives up, given those of an ordinary machine. */
export const patience = (milliseconds: number): number => milliseconds * factor;

/**
 * Milliseconds for anything that comes if all is well, however busy the machine is: only what is broken takes as long. For what must not come a test has a time of
 * its own, which a busy machine cannot make too short.
 */
export const amplePatience = patience(120_000);
