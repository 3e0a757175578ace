/** A video file or a camera, enhanced frame by frame as fast as the device can. */
import { grayFrom } from 'sonolift';
import { block, button, canvas, element, input, select } from '../ui/elements.ts';
import { watchVisibility } from '../ui/hidden.ts';
import { messagesOf } from '../ui/messages.ts';
import { paint } from '../ui/paint.ts';
import { enhanceWorker } from '../worker/client.ts';

/** Frames that the rate is averaged over. */
const AVERAGED = 20;

export class LiveView {
  private readonly worker = enhanceWorker();
  private readonly video = element('live-video', HTMLVideoElement);
  private readonly target = canvas('live-canvas');
  private readonly messages = messagesOf(block('live-status'), block('live-error'));
  private readonly hasModel: () => boolean;
  /** Counts the streams begun: a loop of an earlier one sees that it is over. */
  private stream = 0;
  private isOn = false;
  private isHidden = false;
  /** What else is told of the stream. */
  private note = '';
  private address: string | undefined;

  constructor(hasModel: () => boolean) {
    this.hasModel = hasModel;
    const file = input('video-file');
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? [];
      if (chosen) void this.playFile(chosen);
    });
    button('webcam').addEventListener('click', () => this.playCamera());
    button('live-stop').addEventListener('click', () => {
      this.stop();
      this.messages.say('Stopped.');
    });
    watchVisibility(
      () => {
        this.isHidden = true;
      },
      (minutes) => {
        this.isHidden = false;
        if (this.isOn && minutes !== undefined) {
          this.note = `; it waited while this page was hidden for ${minutes} min`;
        }
      },
    );
  }

  update(): void {
    button('live-stop').disabled = !this.isOn;
  }

  private async playFile(file: File): Promise<void> {
    this.stop();
    this.address = URL.createObjectURL(file);
    this.video.src = this.address;
    await this.play(file.name);
  }

  private async playCamera(): Promise<void> {
    this.stop();
    try {
      if (!navigator.mediaDevices) throw new Error('this browser gives pages no camera');
      this.video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      const why = {
        NotAllowedError: 'its use was not allowed; see the camera sign beside the address',
        NotFoundError: 'this device has none',
        NotReadableError: 'another program uses it',
      }[name];
      this.messages.fail(new Error(`The camera cannot be used: ${why ?? message}`));
      return;
    }
    await this.play('camera');
  }

  private async play(name: string): Promise<void> {
    const stream = ++this.stream;
    try {
      if (!this.hasModel()) throw new Error('There is no model to enhance it with; see above.');
      await this.video.play();
    } catch (error) {
      const reason = this.video.error ? 'this browser cannot decode it' : String(error);
      this.stop();
      this.messages.fail(error instanceof DOMException ? new Error(`${name}: ${reason}`) : error);
      return;
    }
    this.isOn = true;
    this.note = '';
    block('live').hidden = false;
    this.update();
    this.messages.say(`${name}: first frame …`);
    await this.loop(stream, name);
  }

  private async loop(stream: number, name: string): Promise<void> {
    const times: number[] = [];
    try {
      while (stream === this.stream) {
        await this.nextFrame();
        if (this.isHidden || stream !== this.stream) {
          times.length = 0;
          continue;
        }
        const [width, height] = this.frameSize();
        const bitmap = await createImageBitmap(this.video, {
          resizeWidth: width,
          resizeHeight: height,
        });
        const frame = grayFrom(bitmap);
        bitmap.close();
        const enhanced = await this.worker.enhanceFrame(frame);
        if (stream !== this.stream) return;
        paint(this.target, enhanced, 'Video after enhancement');
        times.push(performance.now());
        if (times.length > AVERAGED) times.shift();
        const rate = (1000 * (times.length - 1)) / (times[times.length - 1] - times[0]);
        if (times.length > 1) {
          const size = `${width}x${height}`;
          this.messages.say(`${name}: ${size}, ${rate.toFixed(1)} frames per second${this.note}`);
        }
      }
    } catch (error) {
      this.stop();
      this.messages.fail(error);
    }
  }

  private nextFrame(): Promise<void> {
    return new Promise((resolve) => {
      // A paused or very slow video must not hold the loop for ever.
      const wait = setTimeout(resolve, 200);
      this.video.requestVideoFrameCallback(() => {
        clearTimeout(wait);
        resolve();
      });
    });
  }

  private frameSize(): [width: number, height: number] {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(
      1,
      Number(select('live-side').value) / Math.max(videoWidth, videoHeight),
    );
    return [
      Math.max(1, Math.round(scale * videoWidth)),
      Math.max(1, Math.round(scale * videoHeight)),
    ];
  }

  private stop(): void {
    this.stream++;
    this.isOn = false;
    block('live').hidden = true;
    this.video.pause();
    const { srcObject } = this.video;
    if (srcObject instanceof MediaStream) for (const track of srcObject.getTracks()) track.stop();
    // Before the address goes: a video without a stream would look for it once more.
    this.video.removeAttribute('src');
    this.video.srcObject = null;
    this.video.load();
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = undefined;
    this.update();
  }
}
