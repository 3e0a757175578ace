declare module 'wgsl-preprocessor/wgsl-preprocessor.js' {
  /** Template tag with `#if ${…}`, `#elif ${…}`, `#else` and `#endif`; other values are interpolated. */
  export function wgsl(strings: TemplateStringsArray, ...values: unknown[]): string;
}
