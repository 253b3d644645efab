// Records what TensorFlow.js makes of layers models: `node record_tfjs.js OUT.json.gz`, with @tensorflow/tfjs 4.22.0.
//
// For each case: `model` (the model.json), `files` (its shards, in Base64), `x` and `y` (what goes in and comes out:
// shape and elements). Weights and inputs are drawn by a generator of its own, so that a run makes the same file.
const fs = require('fs');
const zlib = require('zlib');
const tf = require('@tensorflow/tfjs');

let seed = 1;
function draw(shape) {
  const count = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(Float32Array.from({length: count}, () => {
    seed = (seed * 48271) % 2147483647;
    return (seed % 2001) / 1000 - 1;
  }), shape);
}

const L = tf.layers;
const chain = (...layers) => tf.sequential({layers});
const steps = {inputShape: [5, 3]};
const CASES = {
  image: () => chain(
      L.conv2d({inputShape: [7, 6, 2], filters: 3, kernelSize: 3, activation: 'relu', padding: 'same'}),
      L.batchNormalization(), L.maxPooling2d({poolSize: 2}), L.depthwiseConv2d({kernelSize: 2, depthMultiplier: 2}),
      L.separableConv2d({filters: 4, kernelSize: [1, 2], activation: 'hardSigmoid'}), L.flatten(),
      L.dense({units: 4, activation: 'softmax'})),
  channels_first: () => chain(
      L.conv2d({inputShape: [2, 6, 6], filters: 3, kernelSize: 3, dataFormat: 'channelsFirst'}),
      L.upSampling2d({dataFormat: 'channelsFirst'}), L.globalAveragePooling2d({dataFormat: 'channelsFirst'})),
  sequence: () => chain(
      L.conv1d({...steps, filters: 4, kernelSize: 2, padding: 'same'}), L.leakyReLU(), L.maxPooling1d({}),
      L.globalAveragePooling1d()),
  transposed: () => chain(
      L.conv2dTranspose({inputShape: [3, 3, 2], filters: 2, kernelSize: 3, strides: 2, padding: 'same'}),
      L.zeroPadding2d({padding: [[1, 0], [0, 2]]}), L.cropping2D({cropping: [[1, 0], [0, 1]]}), L.elu(), L.prelu()),
  volume: () => chain(
      L.conv3d({inputShape: [4, 4, 4, 1], filters: 2, kernelSize: 2}), L.averagePooling3d({poolSize: 2}), L.reshape({targetShape: [2]}),
      L.repeatVector({n: 3}), L.permute({dims: [2, 1]}), L.layerNormalization()),
  lstm: () => chain(L.lstm({...steps, units: 2, returnSequences: true}), L.lstm({units: 3, goBackwards: true})),
  gru: () => chain(L.gru({...steps, units: 2, returnSequences: true}), L.simpleRNN({units: 3})),
  masked_steps: () => chain(L.masking(steps), L.bidirectional({layer: L.lstm({units: 2, returnSequences: true})})),
  masked: () => chain(
      L.masking(steps), L.bidirectional({layer: L.lstm({units: 2, returnSequences: true})}), L.gru({units: 2})),
  both_ways: () => chain(
      L.bidirectional({...steps, layer: L.gru({units: 2}), mergeMode: 'sum'}), L.thresholdedReLU({theta: 0.1})),
  every_step: () => chain(L.timeDistributed({...steps, layer: L.dense({units: 2, activation: 'tanh'})}), L.softmax({axis: -1})),
  cell: () => chain(L.rnn({...steps, cell: L.gruCell({units: 2})})),
  cells: () => chain(L.rnn({...steps, cell: [L.lstmCell({units: 2}), L.gruCell({units: 3})], returnSequences: true})),
  conv_lstm: () => chain(L.convLstm2d({inputShape: [3, 4, 4, 1], filters: 2, kernelSize: 2})),
  words: () => chain(L.embedding({inputDim: 7, outputDim: 3, inputLength: 5, maskZero: true}), L.lstm({units: 2})),
  joined: () => {
    const a = tf.input({shape: [4], name: 'a'});
    const b = tf.input({shape: [4], name: 'b'});
    const shared = L.dense({units: 4, activation: 'selu'});
    const [p, q] = [shared.apply(a), shared.apply(b)];
    const sum = L.add().apply([p, L.multiply().apply([p, q])]);
    const dot = L.dot({axes: -1, normalize: true}).apply([p, q]);
    const all = L.concatenate().apply([sum, L.average().apply([p, q]), L.maximum().apply([p, q]), dot]);
    return tf.model({inputs: [a, b], outputs: [all, L.minimum().apply([p, q])]});
  },
  nested: () => {
    const x = tf.input({shape: [3]});
    const deep = chain(L.dense({units: 3, inputShape: [3]}), L.batchNormalization());
    const inner = tf.sequential();
    inner.add(deep);
    inner.add(L.dense({units: 3}));
    return tf.model({inputs: x, outputs: L.add().apply([inner.apply(x), inner.apply(L.activation({activation: 'swish'}).apply(x))])});
  },
};

async function recorded(name, build) {
  const model = build();
  model.setWeights(model.weights.map(w => w.name.includes('variance') ? draw(w.shape).square().add(0.5) : draw(w.shape)));
  const x = model.inputs.map(input => {
    const shape = input.shape.map((size, axis) => size === null ? (axis === 0 ? 2 : 5) : size);
    return name === 'words' ? draw(shape).mul(3).add(3).round() : draw(shape);
  });
  if (name.startsWith('masked')) {
    const keep = tf.tensor([[0, 1, 1, 0, 1], [1, 1, 1, 0, 0]]).expandDims(2);
    x[0] = x[0].mul(keep);
  }
  const told = model.predict(x.length > 1 ? x : x[0]);
  const tensor = value => ({shape: value.shape, elements: Array.from(value.dataSync())});
  let held;
  await model.save(tf.io.withSaveHandler(async artifacts => {
    const {modelTopology, weightSpecs, weightData, ...rest} = artifacts;
    const shard = `${name}.bin`;
    held = {
      model: {...rest, modelTopology, weightsManifest: [{paths: [shard], weights: weightSpecs}]},
      files: {[shard]: Buffer.from(weightData).toString('base64')},
    };
    return {modelArtifactsInfo: {dateSaved: new Date(0), modelTopologyType: 'JSON'}};
  }));
  return {...held, x: x.map(tensor), y: [told].flat().map(tensor)};
}

(async () => {
  await tf.setBackend('cpu');
  const found = {};
  for (const [name, build] of Object.entries(CASES)) {
    found[name] = await recorded(name, build);
  }
  fs.writeFileSync(process.argv[2], zlib.gzipSync(JSON.stringify(found), {level: 9}));
})();
