// Evaluates the same expressions on the same records with npm's fhirpath, compiled once; prints CPU times as JSON.
import { readFileSync } from 'node:fs';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';

const records = readFileSync('records.ndjson', 'utf8').split('\n').map((line) => JSON.parse(line));
const answers = [];
for (const { kind, text } of JSON.parse(readFileSync('expressions.json', 'utf8'))) {
  const evaluate = fhirpath.compile(text, r4);
  const chosen = records.filter((record) => record.resourceType === kind);
  let items = 0;
  const work = () => {
    items = 0;
    for (const record of chosen) items += evaluate(record, { resource: record }).length;
  };
  work();
  const start = process.hrtime.bigint();
  const begin = process.cpuUsage();
  let times = 0;
  while (process.hrtime.bigint() - start < 700_000_000n) {
    work();
    times += 1;
  }
  const used = process.cpuUsage(begin);
  answers.push({ text, items, nanoseconds: ((used.user + used.system) * 1000) / times / chosen.length });
}
console.log(JSON.stringify(answers));
