/** `sonolift/metrics`: image metrics in double precision, and the statistics that compare two systems. */
export { scoreImages } from '../embed/score-images.ts';
export * from '../metrics/comparison.ts';
export * from '../metrics/metrics.ts';
export * from '../metrics/statistics.ts';
export * from '../metrics/wilcoxon.ts';
