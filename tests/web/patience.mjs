// Runs patience.js without a browser. Argument: the module. Reads a list of lines from stdin, each [made, asked, stood, mended, rtt] of one
// second (samples made up, repeats asked for, seconds the picture stood still, repeats asked for it, round trip in ms), and prints what the receivers of place 0 and of place 1 were told after each.
const { Patience } = await import(process.argv[2]);
let text = '';
for await (const piece of process.stdin) text += piece;
const receivers = new Map(['a0', 'v0', 'a1', 'v1', 'mic'].map((mid) => [mid, { jitterBufferTarget: null }]));
receivers.set('a2', {}); // a browser that cannot
const pc = { getTransceivers: () => [...receivers].map(([mid, receiver]) => ({ mid, receiver })) };
const patience = new Patience();
const total = { made: 0, samples: 0, asked: 0, stood: 0, mended: 0 };
const still = { ...total };
const told = [];
for (const [made, asked, stood = 0, mended = 0, rtt = 0] of JSON.parse(text)) {
  total.made += made;
  total.asked += asked;
  total.stood += stood;
  total.mended += mended;
  total.samples += 48_000;
  still.samples += 48_000;
  patience.look(pc, new Map([['a0', { ...total }], ['a1', { ...still }], ['a2', { ...total }], ['mic', { ...total }]]), rtt);
  told.push([...receivers].map(([, one]) => one.jitterBufferTarget));
}
process.stdout.write(JSON.stringify(told));
