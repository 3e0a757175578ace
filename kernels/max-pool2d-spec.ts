/** Maximum over square windows of planes `[planes,H,W]`: `max-pool2d.ts`. */
export interface MaxPool2dSpec {
  readonly planes: number;
  readonly height: number;
  readonly width: number;
  readonly outputHeight: number;
  readonly outputWidth: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}
