/** Kernels of the package are those of the sources, without comments and indentation. */
import { suite as createSuite } from 'uvu';
import * as assert from 'uvu/assert';
import { compactWgsl } from '../../scripts/compact-wgsl.ts';

const suite = createSuite('compact WGSL');

suite('comments and indentation of texts go, lines and everything else stay', () => {
  const source = `const url = 'http://a//b'; // of the program
const key = @  a.#{url} // b@;
const code = wgsl@
#if #{true}
  let a = 1.0; // one
    // a whole line
  // of #{url} stays
  let b = a / 2.0;#{ends(@
    inner // too
  @)}
@;`;
  const expected = `const url = 'http://a//b'; // of the program
const key = @  a.#{url} // b@;
const code = wgsl@
#if #{true}
let a = 1.0;

// of #{url} stays
let b = a / 2.0;#{ends(@
inner
@)}
@;`;
  // In a text of its own, backquotes and dollars would be of this file.
  const program = (text: string) => text.replaceAll('@', '`').replaceAll('#{', '${');
  assert.equal(compactWgsl(program(source)), program(expected));
});

suite.run();
