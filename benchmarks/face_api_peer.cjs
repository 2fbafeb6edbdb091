// Lets face-api.js answer for faces, for `exports.py`: its age and gender network, in WebAssembly with
// SIMD and one thread. NODE_PATH names the folder that has it. Pixels come on standard input, uint8
// (count, side, side, 3), RGB; the answer is a line of JSON.
const fs = require('fs');
const path = require('path');
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');

async function main() {
  const [side, warmUp] = process.argv.slice(2).map(Number);
  const pixels = fs.readFileSync(0);
  const package_ = require.resolve('@vladmandic/face-api/package.json');
  const models = path.join(path.dirname(package_), 'model');
  wasm.setThreadsCount(1);
  await tf.setBackend('wasm');
  await faceapi.nets.ageGenderNet.loadFromDisk(models);

  const bytesAFace = side * side * 3;
  const count = pixels.length / bytesAFace;
  const skipped = Math.min(warmUp, count);
  const answers = {
    name: 'face-api.js',
    version: require(package_).version,
    bytes: fs.statSync(path.join(models, 'age_gender_model.bin')).size,
    age_years: [],
    male: [],
    milliseconds: [],
  };
  for (let turn = -skipped; turn < count; turn++) {
    const start = ((turn + count) % count) * bytesAFace;
    const face = tf.tensor3d(pixels.subarray(start, start + bytesAFace), [side, side, 3], 'int32');
    const before = performance.now();
    const answer = await faceapi.nets.ageGenderNet.predictAgeAndGender(face);
    const after = performance.now();
    face.dispose();
    if (turn < 0) continue; // warming up
    answers.age_years.push(answer.age);
    answers.male.push(answer.gender === 'male');
    answers.milliseconds.push(after - before);
  }
  console.log(JSON.stringify(answers));
}

main();
