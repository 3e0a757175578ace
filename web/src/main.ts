/** Starts the page: three tabs, each with a worker of its own. */
import 'uplot/dist/uPlot.min.css';
import './styles/page.css';
import './styles/controls.css';
import './styles/results.css';
import { EnhancePanel } from './enhance/panel.ts';
import { startKernels } from './kernels/panel.ts';
import { startTraining } from './train/panel.ts';
import { ignoreStrayDrops } from './ui/drop-zone.ts';
import { block } from './ui/elements.ts';
import { isWithoutGpu, offerRetry, showHelp } from './ui/help.ts';
import { showTabs } from './ui/tabs.ts';
import { offerThemes } from './ui/theme.ts';
import { enhanceWorker } from './worker/client.ts';

const enhance = new EnhancePanel();
const training = startTraining((model) => {
  tabs.show('enhance');
  void enhance.useModel(model, 'the generator of the training tab');
});
startKernels();
offerThemes(() => training.redraw());
const tabs = showTabs((name) => {
  // A plot that was made while hidden has no width yet.
  if (name === 'train') training.redraw();
});
ignoreStrayDrops();

async function openDevice(): Promise<void> {
  try {
    block('adapter').textContent = `Device: ${await enhanceWorker().openDevice()}`;
  } catch (error) {
    block('adapter').textContent = 'Device: none';
    enhance.sayNoDevice();
    if (isWithoutGpu(error)) showHelp(error);
    else throw error;
    return;
  }
  await enhance.loadBundledModel();
}

offerRetry(openDevice);
await openDevice();
