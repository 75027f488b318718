/** How much slower than usual the machine of this test run is: an emulated one says so by `ANTREA_TEST_PATIENCE`, a number from 1 up. */
const factor = Math.max(1, Number(process.env.ANTREA_TEST_PATIENCE ?? 1) || 1);

/** Milliseconds after which a test gives up, given those of an ordinary machine. */
export const patience = (milliseconds: number): number => milliseconds * factor;
