// Makes boroughs.json, the outlines and neighbours of the 33 London boroughs, from the TopoJSON in vega-datasets 3.2.1.
// It was run once; its result is in the repository, and nothing here is run when the project is built:
//
//   npm pack vega-datasets@3.2.1 && tar xzf vega-datasets-3.2.1.tgz package/data/londonBoroughs.json
//   node convert.mjs package/data/londonBoroughs.json ../../../msht-core/programmes/pan-london.toml > boroughs.json
//
// Source of the outlines: contains Ordnance Survey data © Crown copyright and database right, and National Statistics
// data © Crown copyright and database right, under the Open Government Licence v3. They are thinned out for small maps.

import { readFileSync } from 'node:fs';

/** Width of the map in drawing units; the height follows. */
const WIDTH = 760;
const MARGIN = 6;
/** Length of a degree of longitude beside one of latitude in the middle of London. */
const SQUEEZE = Math.cos((51.49 * Math.PI) / 180);

const [topologyFile, programmeFile] = process.argv.slice(2);
const topology = JSON.parse(readFileSync(topologyFile, 'utf8'));
const programme = readFileSync(programmeFile, 'utf8');
const codes = new Map([...programme.matchAll(/\["(E09\d{6})", "([^"]+)"\]/g)].map(([, code, name]) => [name, code]));

const { scale, translate } = topology.transform;
const [west, south, east, north] = topology.bbox;
const unit = (WIDTH - 2 * MARGIN) / ((east - west) * SQUEEZE);
const height = Math.ceil((north - south) * unit) + 2 * MARGIN;

/** Quantised deltas of an arc as points of the drawing. */
function points(arc) {
  let [x, y] = [0, 0];
  return arc.map(([dx, dy]) => {
    x += dx;
    y += dy;
    const longitude = x * scale[0] + translate[0];
    const latitude = y * scale[1] + translate[1];
    return [MARGIN + (longitude - west) * SQUEEZE * unit, MARGIN + (north - latitude) * unit];
  });
}
const arcs = topology.arcs.map(points);

/** The points of a ring, each shared end once. */
function ring(indices) {
  return indices.flatMap((index) => {
    const arc = index < 0 ? [...arcs[~index]].reverse() : arcs[index];
    return arc.slice(0, -1);
  });
}

function path(points) {
  const rounded = points.map(([x, y]) => [Math.round(x * 10), Math.round(y * 10)]);
  let [x, y] = rounded[0];
  let text = `M${x / 10} ${y / 10}l`;
  const steps = [];
  for (const [nextX, nextY] of rounded.slice(1)) {
    if (nextX === x && nextY === y) continue;
    steps.push(`${(nextX - x) / 10} ${(nextY - y) / 10}`);
    [x, y] = [nextX, nextY];
  }
  text += steps.join(' ').replaceAll(/\b0\./g, '.').replaceAll(' -', '-');
  return `${text}z`;
}

function area(points) {
  let sum = 0;
  points.forEach(([x, y], at) => {
    const [nextX, nextY] = points[(at + 1) % points.length];
    sum += x * nextY - nextX * y;
  });
  return sum / 2;
}

function isInside([x, y], points) {
  let inside = false;
  points.forEach(([ax, ay], at) => {
    const [bx, by] = points[(at + 1) % points.length];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  });
  return inside;
}

function distance([x, y], points) {
  return Math.min(...points.map(([ax, ay], at) => {
    const [bx, by] = points[(at + 1) % points.length];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length));
    return Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay));
  }));
}

/** The place inside that is farthest from the outline, to half a unit: where a number is written. */
function middle(points) {
  let best = [0, 0, -1];
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  for (let x = Math.min(...xs); x <= Math.max(...xs); x += 0.5) {
    for (let y = Math.min(...ys); y <= Math.max(...ys); y += 0.5) {
      if (!isInside([x, y], points)) continue;
      const far = distance([x, y], points);
      if (far > best[2]) best = [x, y, far];
    }
  }
  return best.map((value) => Math.round(value));
}

const owners = new Map();
const boroughs = topology.objects.boroughs.geometries.map((geometry) => {
  const code = codes.get(geometry.id);
  if (!code) throw new Error(`no code for ${geometry.id}`);
  const polygons = geometry.type === 'MultiPolygon' ? geometry.arcs : [geometry.arcs];
  for (const index of polygons.flat(2)) {
    const arc = index < 0 ? ~index : index;
    owners.set(arc, [...(owners.get(arc) ?? []), code]);
  }
  const rings = polygons.flat().map(ring);
  const largest = rings.reduce((a, b) => (Math.abs(area(b)) > Math.abs(area(a)) ? b : a));
  const [x, y, room] = middle(largest);
  return { code, name: geometry.id, outline: rings.map(path).join(''), middle: [x, y], room, neighbours: [] };
});
for (const sharing of owners.values()) {
  for (const code of sharing) {
    const borough = boroughs.find((other) => other.code === code);
    borough.neighbours = [...new Set([...borough.neighbours, ...sharing.filter((other) => other !== code)])].sort();
  }
}
boroughs.sort((a, b) => a.code.localeCompare(b.code));
const lines = boroughs.map((borough) => `    ${JSON.stringify(borough)}`);
process.stdout.write(`{\n  "width": ${WIDTH},\n  "height": ${height},\n  "boroughs": [\n${lines.join(',\n')}\n  ]\n}\n`);
