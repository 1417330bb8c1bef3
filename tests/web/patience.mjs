// Runs patience.js without a browser. Argument: the module. Reads a list of lines from stdin, each [made, asked] of one second of
// sound (samples made up, repeats asked for), and prints what the receivers of place 0 and of place 1 were told after each.
const { Patience } = await import(process.argv[2]);
let text = '';
for await (const piece of process.stdin) text += piece;
const receivers = new Map(['a0', 'v0', 'a1', 'v1', 'mic'].map((mid) => [mid, { jitterBufferTarget: null }]));
receivers.set('a2', {}); // a browser that cannot
const pc = { getTransceivers: () => [...receivers].map(([mid, receiver]) => ({ mid, receiver })) };
const patience = new Patience();
const total = { made: 0, samples: 0, asked: 0 };
const still = { ...total };
const told = [];
for (const [made, asked] of JSON.parse(text)) {
  total.made += made;
  total.asked += asked;
  total.samples += 48_000;
  still.samples += 48_000;
  patience.look(pc, new Map([['a0', { ...total }], ['a1', { ...still }], ['a2', { ...total }], ['mic', { ...total }]]));
  told.push([...receivers].map(([, one]) => one.jitterBufferTarget));
}
process.stdout.write(JSON.stringify(told));
