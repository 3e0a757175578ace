/** What a page that enhances needs rarely, in one piece, which is fetched when it is. */
export { checkPrecision } from '../methods/check-precision.ts';
export { tuneEnhancer } from './tune-enhancer.ts';
