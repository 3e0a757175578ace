/** Rounding of a sum of products; bounds grow with the root of its length (`registry/row.ts`). */
export const CONVOLUTION_TOLERANCE = { atol: 1e-6, rtol: 2e-6 } as const;

/**
 * Times as many terms as a sum counts for where Winograd's minimal filtering may have made it: its rounding
 * errors are up to three times a direct sum's (`test/autograd/winograd.test.ts`).
 */
export const WINOGRAD_SLACK = 9;
