// What scripts/test-valgrind.cjs takes for the addon's own among valgrind's records.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { root } from './support/paths.js';

const require = createRequire(import.meta.url);
const { recordsOf, describeRecord } = require(join(root, 'scripts', 'test-valgrind.cjs')) as {
  recordsOf(xml: string): { own: string[]; others: number };
  describeRecord(record: string): string;
};

const record = (kind: string, what: string, ...objects: string[]) => `<error>
  <kind>${kind}</kind>
  ${what}
  <stack>${objects.map((obj) => `<frame><ip>0x1</ip><obj>${obj}</obj><fn>${/vg/.test(obj) ? 'malloc' : 'f'}</fn></frame>`).join('\n')}</stack>
</error>`;

describe("valgrind's records", () => {
  const node = record('UninitCondition', '<what>Conditional jump</what>', '/usr/bin/node');
  const read = record('InvalidRead', '<what>Invalid read of size 4</what>', '/b/Release/ctc.node');
  const leak = record(
    'Leak_DefinitelyLost',
    '<xwhat><text>8 bytes are definitely lost</text></xwhat>',
    ...['/usr/libexec/valgrind/vgpreload_memcheck.so', '/b/Release/ctc.node', '/usr/bin/node'],
  );
  const handle = record(
    'Leak_DefinitelyLost',
    '<xwhat><text>40 bytes are definitely lost</text></xwhat>',
    ...['/usr/libexec/valgrind/vgpreload_memcheck.so', '/usr/bin/node', '/b/Release/ctc.node'],
  );

  it('are the addon’s where it runs, and leaks where it asked for the block', () => {
    const { own, others } = recordsOf(`<valgrindoutput>${node}${read}${node}${leak}${handle}`);
    assert.deepEqual(own, [read, leak]);
    assert.equal(others, 3);
    // Node's own operator new.
    const within = leak.replace(
      '</frame>',
      '</frame><frame><obj>/bin/node</obj><fn>operator new(unsigned long)</fn></frame>',
    );
    assert.deepEqual(recordsOf(within), { own: [within], others: 0 });
    assert.deepEqual(recordsOf('<valgrindoutput></valgrindoutput>'), { own: [], others: 0 });
  });

  it('are told with their frames', () => {
    assert.equal(
      describeRecord(leak),
      'Leak_DefinitelyLost: 8 bytes are definitely lost\n' +
        '    malloc in vgpreload_memcheck.so\n    f in ctc.node\n    f in node\n',
    );
  });
});
