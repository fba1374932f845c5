// Checks a proof package in the reader's own browser: docs/formats.md, section 7, as a program.
//
// The twin of trace/ledger/verify.py; tests/test_verify.py holds the two to the same answers. No network, no
// dependencies. Without WebCrypto and Ed25519 the answer is "unchecked", which says nothing about what is true.

const ITEMS_A_LEAF = 500;
const CASES = ["recall", "blacklist", "decision"], BY_AUTHORITY = [...CASES, "erase", "import", "anchor"];
const HOPS = ["hop", "correct"], KINDS = [...HOPS, ...BY_AUTHORITY, "keyreg", "keyrot", "keyrev"];

const NUMBER = "(0|[1-9][0-9]{0,14})", B64 = "([0-9A-Za-z+/=]+)", NAME = "([!-*,-~]+)";
const LEAF = RegExp(`^${NAME}/([a-z]+/v[0-9]+)\n(.*)\nrcv ${NUMBER}\nenv (${B64} ${NUMBER}/${NUMBER})\n((?:.*\n)*)$`);
const ITEM = RegExp(`^item ${B64} ${NUMBER} (?:- -|${NUMBER} ${B64})$`);
// A witness may have any name without spaces and plus; the two exceptions are where languages differ on spaces.
const ANY_NAME = "([^\\s+\\x85\\ufeff]+)", NOTE_LINE = RegExp(`^\u2014 ${ANY_NAME} ${B64}$`);
const VKEY = RegExp(`^${ANY_NAME}\\+([0-9a-f]{8})\\+${B64}$`);
const LOG_KEY = RegExp(`^${NAME}\\+([0-9a-f]{8})\\+${B64}$`);
const PUBLIC_MEMBER = /^\/(@context|type|eventID|eventTime|eventTimeZoneOffset|action|bizStep|disposition)(\/|$)/;
const KEY_POINTER = RegExp("^/(case|parentID|(epcList|childEPCs|inputEPCList|outputEPCList)/[0-9]{1,5}" +
  "|(quantityList|childQuantityList|inputQuantityList|outputQuantityList)/[0-9]{1,5}/epcClass)$");

class Unchecked extends Error {}
const refuse = (message) => { throw Error(message); };
const must = (holds, message) => holds || refuse(message);
const same = (what, got, expected) => must(got === expected, `${what}: '${got}', expected '${expected}'`);

// What holds of a package (parsed JSON). path, origin, logKey: what the caller knows and the package must repeat;
// policy: text of a tlog-policy file, whose quorum of witnesses must have cosigned.
export async function verifyPackage(pkg, { path, origin, logKey, policy } = {}) {
  let outcome = "valid", checks = [], read;
  const ask = async (id, question) => {
    try {
      checks.push({ id, ok: true, detail: await question() });
    } catch (error) {
      const open = error instanceof Unchecked;
      checks.push({ id, ok: false, detail: (open ? "could not check: " : "") + error.message });
      if (!open || outcome === "valid") outcome = open ? "unchecked" : "invalid";
    }
  };
  await ask("format", async () => { await canVerify(); read = await readPackage(pkg); });
  if (!read) return { outcome, checks, steps: 0, attested: 0, size: 0, origin: "" };
  checks = [];
  // Every question is asked, whatever came before: the reader learns what still holds.
  await ask("checkpoint", () => checkpoint(read, logKey, policy, origin));
  await ask("inclusion", () => inclusion(read));
  await ask("envelope", () => envelope(read));
  await ask("signature", () => signature(read));
  await ask("disclosure", () => disclosure(read));
  await ask("subject", () => subject(read, path));
  await ask("chain", () => chain(read));
  const attested = read.steps.filter((step) => read.byIndex.get(step.index)?.payload.attests).length;
  return { outcome, checks, steps: read.steps.length, attested, size: read.size, origin: read.origin };
}

// RFC 8032, section 7.1, test 2: a browser that cannot verify this can verify nothing.
async function canVerify() {
  if (globalThis.isSecureContext === false || !globalThis.crypto?.subtle) {
    throw new Unchecked("this page did not come over HTTPS, so the browser lends it no cryptography");
  }
  const key = fromB64("PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=");
  const good = "kqAJqfDUyrhyDoILX2QlQKKye1QWUD+Ps3YiI+vbadoIWsHkPhWZbkWPNhPQ8R2MOHsurrQwKu6wDSkWErsMAA==";
  if (!await ed25519(key, utf8("r"), fromB64(good))) throw new Unchecked("this browser gets Ed25519 wrong");
}

// ---- the seven checks: each gives what it found or throws -------------------------------------

// The note is signed by the log key and cosigned as the policy demands, and everything is of one origin.
async function checkpoint(pkg, trusted, policy, origin = pkg.origin) {
  if (trusted !== undefined) {
    await parseLogKey(trusted).catch((error) => { throw new Unchecked(error.message); });
    same("log key", pkg.logKey, trusted);
  }
  const { name } = await parseLogKey(pkg.logKey);
  const signed = (await openNote(pkg.checkpoint, pkg.logKey)).split("\n");
  must(signed.length === 4, "checkpoint: expected origin, size and root");
  for (const each of [signed[0], pkg.origin, origin]) same("origin", each, name);
  const told = `${pkg.size} leaves, signed by the log key of ${name}`;
  if (policy === undefined) return told;
  const rules = await readPolicy(policy).catch(({ message }) => { throw new Unchecked(`policy: ${message}`); });
  must(!rules.logs.length || rules.logs.includes(pkg.logKey), "log key: not among the logs of the policy");
  return `${told}, cosigned by ${(await cosigners(pkg.checkpoint, rules)).join(", ") || "nobody"}`;
}

// Each leaf's hash and path give the checkpoint's root; leaves stand in log order.
async function inclusion(pkg) {
  let before = { index: -1, rcv: 0 };
  for (const entry of pkg.entries) {
    same(`${entry.what}: origin`, entry.origin, pkg.origin);
    const holds = await included(entry.hash, entry.index, pkg.size, entry.path, pkg.root);
    must(holds, `${entry.what}: leaf and path do not give the root of ${pkg.size} leaves`);
    must(entry.index > before.index && entry.rcv >= before.rcv, `${entry.what}: is not in log order`);
    before = entry;
  }
  return `${pkg.entries.length} leaves are under the checkpoint`;
}

// Each leaf is what its envelope makes it: its lines are written again from the payload and compared.
async function envelope(pkg) {
  await each(pkg.entries, async ({ what, payload, ...entry }) => {
    must(payload.seq > 0 && (payload.seq === 1) === (payload.prev === null), `${what}: seq and prev disagree`);
    const hash = await sha256(entry.bytes, [0], unhex(entry.keyId), [0], entry.sig);
    const prev = payload.prev === null ? "-" : toB64(payload.prev);
    same(`${what}: env line`, entry.env, `${toB64(hash)} ${entry.part}/${entry.parts}`);
    same(`${what}: issuer line`, entry.issuer, `issuer ${payload.iss} ${payload.dev} ${payload.seq} ${prev}`);
    same(`${what}: dev`, payload.dev, entry.keyId);
    same(`${what}: aud`, payload.aud, entry.origin);
    if (!KINDS.includes(entry.kind)) throw new Unchecked(`${what}: kind ${entry.kind} is not known here`);
    const form = HOPS.includes(entry.kind) ? "hop" : "statement";
    same(`${what}: type`, payload.type, entry.kind);
    same(`${what}: payloadType`, entry.type, `application/vnd.suyuan.${form}.v1+json`);
    const parts = Math.max(1, Math.ceil(payload.items.length / ITEMS_A_LEAF));
    must(entry.parts === parts && entry.part >= 1 && entry.part <= parts, `${what}: expected ${parts} parts`);
    same(`${what}: item lines`, entry.items.length, entry.digests.length);
    same(`${what}: body`, entry.rest, payload.line);
  });
  return `${pkg.entries.length} leaves repeat their envelopes`;
}

// Each envelope is signed by a key that an earlier leaf registers, up to the authority of leaf 0.
async function signature(pkg) {
  const keys = new Map(), badFrom = new Map();
  await each(pkg.entries, async ({ what, index, payload, ...entry }) => {
    const { key: told, revoke, rotate } = payload, signer = index ? keys.get(entry.keyId) : told;
    must(signer, `${what}: no earlier entry registers key ${entry.keyId}`);
    must(index || (told.role === "authority" && told.id === entry.keyId), "leaf 0: not the authority, by itself");
    const key = rotate ? { ...told, issuer: signer.issuer, role: signer.role } : told;
    // Known from here on even if its registration is not checkable: then what it signed is not either.
    if (key && !keys.has(key.id)) keys.set(key.id, key);
    const end = (id, first) => badFrom.set(id, Math.min(first, badFrom.get(id) ?? first));
    if (revoke) end(revoke.key, Math.min(index, revoke.compromisedFrom ?? index));
    if (rotate) end(entry.keyId, index + 1); // the old key's last word
    same(`${what}: issuer`, payload.iss, signer.issuer);
    must(authorised(index, payload, signer, keys), `${what}: a key of role ${signer.role} may not sign this`);
    const signed = async (by, type, bytes, sig) => {
      const verify = { 1: ed25519, 2: p256 }[by.alg];
      if (!verify) throw new Unchecked(`${what}: algorithm ${by.alg} is not known here`);
      must(await verify(by.raw, pae(type, bytes), sig), `${what}: not signed by ${by.id}`);
    };
    await signed(signer, entry.type, entry.bytes, entry.sig);
    if (!rotate) return;
    const held = utf8(`${payload.aud}\n${entry.keyId}\n${key.id}\n`);
    await signed(key, "application/vnd.suyuan.possession.v1", held, fromB64u(rotate.proof));
  });
  for (const { what, index, keyId } of pkg.entries) {
    must(!(index >= badFrom.get(keyId)), `${what}: its key is revoked from leaf ${badFrom.get(keyId)} on`);
  }
  return `${pkg.entries.length} envelopes are signed by keys that the authority of this log registered`;
}

// The role of a key says what it may sign (docs/formats.md, section 2).
function authorised(index, { type, key, revoke, attests }, { role, issuer }, keys) {
  // The platform never signs as if it had been there, nobody else for others.
  if (HOPS.includes(type)) {
    return (attests ? ["attestation"] : ["device", "enterprise", type === "correct" && "authority"]).includes(role);
  }
  if (BY_AUTHORITY.includes(type)) return role === "authority";
  if (revoke) return role === "authority" || (role === "enterprise" && keys.get(revoke.key)?.issuer === issuer);
  if (type !== "keyreg" || index === 0) return true;
  if (role === "authority") return ["enterprise", "device", "attestation"].includes(key.role);
  return role === "enterprise" && key.role === "device" && key.issuer === issuer;
}

// Each disclosure is one that the signer committed to; none tells of an item that no step is about.
function disclosure(pkg) {
  for (const { what, payload, digests, disclosures, told } of pkg.entries) {
    const items = new Set(digests), others = new Set(payload._sd), pointers = new Set();
    for (const { digest, pointer, value } of disclosures) {
      if (items.has(digest)) {
        must(KEY_POINTER.test(pointer), `${what}: ${pointer} stands in items, expected the pointer of a key`);
        must(pkg.itemKeys.has(value), `${what}: ${pointer} tells of ${value}, which no step is about`);
      } else {
        must(others.has(digest), `${what}: disclosure of ${pointer} is not in the payload`);
        must(!PUBLIC_MEMBER.test(pointer), `${what}: ${pointer} would replace a public member`);
      }
      must(!pointers.has(pointer), `${what}: ${pointer} is disclosed twice`);
      pointers.add(pointer);
    }
    for (const { uri, item } of told) same(`${what}: item key of ${uri}`, item.key, pkg.itemKeys.get(uri));
  }
  return "all disclosures are what was signed";
}

// Each step is a hop of its subject, and the package is about the thing that was asked for.
function subject({ uri, itemKeys, steps, ...pkg }, path = pkg.path) {
  same("path", pkg.path, path);
  same("uri", uri, `https://${pkg.path.startsWith("/id/") ? pkg.origin.split("/")[0] : "id.gs1.org"}${pkg.path}`);
  const subjects = new Set(steps.map((step) => step.subject));
  same("itemKeys", [...itemKeys.keys()].sort().join(" "), [...subjects].sort().join(" "));
  same("different item keys", new Set(itemKeys.values()).size, itemKeys.size);
  same("different steps", new Set(steps.map((step) => `${step.index} ${step.subject}`)).size, steps.length);
  for (const step of steps) {
    const what = `step at leaf ${step.index}`, told = pkg.byIndex.get(step.index)?.told ?? [];
    must((step.via === "self") === (step.subject === uri), `${what}: via ${step.via} for ${step.subject}`);
    const named = told.some((each) => each.uri === step.subject && each.item.key === itemKeys.get(each.uri));
    must(named, `${what}: has no item line that is told to be ${step.subject}`);
  }
  return `${steps.length} steps are about what they say`;
}

// The hops of the thing itself count 1, 2, ... and each names the one before.
function chain(pkg) {
  const own = pkg.steps.filter((step) => step.via === "self").map((step) => step.index).sort((a, b) => a - b);
  if (!own.length) throw new Unchecked(`no step is a hop of ${pkg.uri} itself`);
  let before = "- -";
  own.forEach((index, n) => {
    const entry = pkg.byIndex.get(index), key = pkg.itemKeys.get(pkg.uri);
    const lines = (entry?.items ?? []).filter((item) => item.key === key).map((item) => item.line);
    same(`leaf ${index}: item lines`, [...new Set(lines)].join(), `item ${key} ${n + 1} ${before}`);
    before = `${index} ${toB64(entry.hash)}`;
  });
  for (const entry of pkg.entries) if (entry.payload.corrects) correction(pkg, entry, entry.payload);
  return `hops 1 to ${own.length} of the thing follow each other without a gap`;
}

// Who says that a hop was an error is who recorded it, or the authority.
function correction(pkg, { what, index, items, part }, { corrects: { leaf, hash }, iss, attests }) {
  const wrong = pkg.byIndex.get(leaf), keys = (lines) => lines.map((item) => item.key).join();
  if (!wrong) throw new Unchecked(`${what}: corrects leaf ${leaf}, which is not in the package`);
  must(wrong.kind === "hop" && leaf < index && toB64u(wrong.hash) === hash, `${what}: corrects no earlier hop`);
  // A hop of many things has several leaves, and its correction as many: part by part they name the same.
  same(`${what}: corrected things`, keys(items), keys(pkg.byIndex.get(leaf + part - 1)?.items ?? []));
  if (pkg.byIndex.get(0)?.payload.key?.issuer === iss) return;
  same(`${what}: corrects what was recorded by`, `${iss} ${attests?.for}`, `${wrong.payload.iss} ${wrong.payload.attests?.for}`);
}

// Checks all; what is false comes before what could not be checked, wherever they stand.
async function each(entries, check) {
  let open;
  for (const entry of entries) {
    await check(entry).catch((error) => { open = error instanceof Unchecked ? error : refuse(error.message); });
  }
  if (open) throw open;
}

// ---- reading: form only -----------------------------------------------------------------------

// With the u flag a surrogate matches only where its other half is missing.
const isText = (value) => typeof value === "string" && !/\p{Surrogate}/u.test(value);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isNumber = (value) => Number.isInteger(value) && value >= 0 && value < 1e15;
const isB64 = (length) => (value) => Boolean(fromB64(value, length));
const orNull = (like) => (value) => value === null || like(value);

const PACKAGE = {
  format: isText, origin: isText, logKey: isText, uri: isText, path: isText, checkpoint: isText,
  itemKeys: (value) => isObject(value) && Object.entries(value).every(([uri, key]) => isText(uri) && fromB64(key, 33)),
  entries: [{
    index: isNumber, leaf: isText, path: [isB64(32)], disclosures: [isText],
    envelope: { payload: isText, payloadType: isText, signatures: [{ keyid: isText, sig: isB64() }] },
  }],
  steps: [{ index: isNumber, subject: isText, via: (value) => ["self", "container", "lot", "input"].includes(value) }],
};
const HEAD = {
  type: isText, iss: isText, dev: isText, seq: isNumber, aud: isText, _sd: [isText],
  prev: orNull((value) => fromB64u(value, 32)),
};
const isByte = (value) => isNumber(value) && value < 256, isHash = (value) => Boolean(fromB64u(value, 32));
const KEY = { alg: isByte, public: isText }, TREE = { tree: { origin: isText, size: isNumber, root: isHash } };
const CASE = { items: [isText], case: { act: () => true, by: () => true } };
const MORE = {
  hop: { items: [isText] },
  correct: { items: [isText], corrects: { leaf: isNumber, hash: isHash } },
  recall: CASE, blacklist: CASE, decision: CASE, import: TREE, anchor: TREE,
  keyreg: { key: { ...KEY, issuer: isText, role: isText } },
  keyrot: { rotate: { ...KEY, proof: (value) => Boolean(fromB64u(value)) } },
  keyrev: { revoke: { key: isText, compromisedFrom: orNull(isNumber) } },
  erase: { erase: { leaf: isNumber, positions: [isNumber], basis: () => true } },
};
const ATTESTS = { for: isText, received: () => true };

// The line of the leaf that a payload makes, before any item lines.
const keyFields = ({ id, alg, raw }) => `${id} ${alg} ${toB64(raw)}`;
const LINE = {
  correct: ({ corrects }) => `correct ${corrects.leaf} ${toB64(fromB64u(corrects.hash))}\n`,
  keyreg: ({ key }) => `key ${keyFields(key)} ${key.issuer} ${key.role}\n`,
  keyrot: ({ key }) => `rotate ${keyFields(key)}\n`,
  keyrev: ({ revoke }) => `revoke ${revoke.key} ${revoke.compromisedFrom ?? "-"}\n`,
  erase: ({ erase }) => `erase ${erase.leaf} ${erase.positions}\n`,
};
LINE.import = LINE.anchor = ({ type, tree }) => `${type} ${tree.origin} ${tree.size} ${toB64(fromB64u(tree.root))}\n`;

// A function stands for a type, [like] for a list, an object for an object with exactly these members.
function shape(at, value, like, extra = false) {
  if (typeof like === "function") return must(like(value), `${at}: not of the format`);
  must(Array.isArray(like) ? Array.isArray(value) : isObject(value), `${at}: not of the format`);
  if (Array.isArray(like)) return value.forEach((each, n) => shape(`${at}/${n}`, each, like[0]));
  if (!extra) same(`${at}: members`, Object.keys(value).sort().join(), Object.keys(like).sort().join());
  return Object.keys(like).forEach((name) => shape(`${at}/${name}`, value[name], like[name]));
}

async function readPackage(pkg) {
  if (/^suyuan-proof\/v(?!1$)[1-9][0-9]*$/.test(pkg?.format)) throw new Unchecked(`${pkg.format} is newer than this`);
  same("format", pkg?.format, "suyuan-proof/v1");
  shape("package", pkg, PACKAGE);
  must(Math.max(pkg.entries.length, pkg.steps.length) <= 10000, "package: more than 10000 entries or steps");
  const head = pkg.checkpoint.split("\n"), entries = [];
  must(head.length > 5 && !head[3] && RegExp(`^${NUMBER}$`).test(head[1]), "checkpoint: not of the format");
  for (const entry of pkg.entries) entries.push(await readEntry(entry));
  return {
    ...pkg, entries, itemKeys: new Map(Object.entries(pkg.itemKeys)), size: Number(head[1]),
    root: fromB64(head[2], 32), byIndex: new Map(entries.map((entry) => [entry.index, entry])),
  };
}

async function readEntry({ index, leaf, path, envelope: { payload: text, payloadType, signatures }, disclosures }) {
  const what = `leaf ${index}`, fields = leaf.length < 65536 && LEAF.exec(leaf);
  const [{ keyid: keyId, sig }] = [...signatures, {}];
  must(fields && !/[^\0-\x7f]/.test(leaf), `${what}: not of the format`);
  must(path.length <= 64 && disclosures.length <= 10000, `${what}: path or disclosures are too long`);
  must(signatures.length === 1 && /^[0-9a-f]{64}$/.test(keyId), `${what}: expected one signature with a key id`);
  const [, origin, version, issuer, rcv, env, hash, part, parts, body] = fields;
  fromB64(hash, 32);
  const kind = KINDS.includes(version.slice(0, -3)) && version.endsWith("/v1") ? version.slice(0, -3) : version;
  const lines = MORE[kind]?.items ? body.split("\n").slice(kind === "correct" ? 1 : 0, -1) : [];
  const items = lines.map((line) => {
    const [, key, , before, prev] = ITEM.exec(line) ?? refuse(`${what}: '${line}' is no item line`);
    return { key: fromB64(key, 33) && key, line: before && !fromB64(prev, 32) ? "" : line };
  });
  const bytes = fromB64(text), payload = await readPayload(bytes, what), start = (part - 1) * ITEMS_A_LEAF;
  const digests = start < 0 ? [] : payload.items.slice(start, start + ITEMS_A_LEAF);
  const read = [];
  for (const each of disclosures) {
    const value = strictJson(fromB64u(each), what);
    must(Array.isArray(value) && value.length === 3 && isText(value[1]), `${what}: expected [salt, pointer, value]`);
    fromB64u(value[0], 16);
    read.push({ digest: toB64u(await sha256(utf8(each))), pointer: value[1], value: value[2] });
  }
  const values = new Map(read.map(({ digest, value }) => [digest, value]));
  // Each disclosed key with the item line at its position.
  const told = items.flatMap((item, n) => values.has(digests[n]) ? [{ uri: values.get(digests[n]), item }] : []);
  return {
    what, index, origin, kind, issuer, rcv: Number(rcv), env, part: Number(part), parts: Number(parts), items,
    rest: body.slice(0, body.length - lines.reduce((sum, line) => sum + line.length + 1, 0)),
    path: path.map((node) => fromB64(node)), type: payloadType, bytes, payload, keyId, sig: fromB64(sig),
    disclosures: read, digests, told, hash: await sha256([0], utf8(leaf)),
  };
}

async function readPayload(bytes, what) {
  const value = strictJson(bytes, what), { type, attests } = value ?? {};
  const more = (Object.hasOwn(MORE, type) && MORE[type]) || {};
  shape(`${what}: payload`, value, { ...HEAD, ...more }, true);
  if (Object.hasOwn(value, "attests")) shape(`${what}: attests`, attests, ATTESTS);
  const all = [...value._sd, ...(more.items ? value.items : [])];
  same(`${what}: different digests`, new Set(all).size, all.length);
  must(!CASES.includes(type) || value.items.length === 1, `${what}: expected one item, the case`);
  const key = (more.key && value.key) || (more.rotate && value.rotate), raw = key && fromB64u(key.public);
  must(!raw || key.alg !== 1 || strictPoint(raw), `${what}: not a strict Ed25519 key`);
  const read = {
    type, iss: value.iss, dev: value.dev, seq: value.seq, aud: value.aud, _sd: value._sd, attests,
    items: more.items ? value.items : [], prev: value.prev && fromB64u(value.prev), revoke: more.revoke && value.revoke,
    rotate: more.rotate && value.rotate, corrects: more.corrects && value.corrects,
    key: raw && { ...key, raw, id: hex(await sha256([key.alg], raw)) },
  };
  return { ...read, line: Object.hasOwn(LINE, type) ? LINE[type]({ ...value, ...read }) : "" };
}

// JSON that no two parsers read differently: no duplicate members, nothing beyond a double, at most 16 levels.
function strictJson(bytes, what) {
  must(bytes.length <= 2 ** 21, `${what}: more than 2 MB of JSON`);
  const source = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), value = JSON.parse(source);
  // The source is known to be JSON, so these tokens are all that matters.
  const open = [];
  for (const [token, colon] of source.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(?=(\s*:)?)|[{}[\]]|-?\d[-+.\deE]*/g)) {
    if (/[{[]/.test(token[0])) must(open.push(new Set()) <= 16, `${what}: nested deeper than 16 levels`);
    else if (/[}\]]/.test(token[0])) open.pop();
    else if (token[0] === '"') {
      const string = JSON.parse(token), names = open.at(-1);
      must(isText(string) && !(colon && names.has(string)), `${what}: '${string}' stands twice or is no text`);
      if (colon) names.add(string);
    } else must(Number.isFinite(+token) && (/[.eE]/.test(token) || Number.isSafeInteger(+token)), `${what}: ${token}`);
  }
  return value;
}

// ---- bytes ------------------------------------------------------------------------------------

const utf8 = (string) => new TextEncoder().encode(string);
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (string) => Uint8Array.from(string.match(/../g), (pair) => parseInt(pair, 16));
const toB64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
const toB64u = (bytes) => toB64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));

// Base64 in its one spelling: what is written again must be the same text.
function fromB64(string, length, write = toB64) {
  const bytes = Uint8Array.from(atob(String(string).replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  must(write(bytes) === string && (length ?? bytes.length) === bytes.length, `'${string}': not base64 as expected`);
  return bytes;
}
const fromB64u = (string, length) => fromB64(string, length, toB64u);

function join(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

// The bytes under a DSSE v1 signature.
export function pae(type, payload) {
  return join(utf8(`DSSEv1 ${utf8(type).length} ${type} ${payload.length} `), payload);
}

// ---- signatures -------------------------------------------------------------------------------

const FIELD = 2n ** 255n - 19n, GROUP_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;
const ORDER_8 = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;
const SMALL_ORDER = [0n, 1n, FIELD - 1n, ORDER_8, FIELD - ORDER_8]; // y of the eight points
const little = (bytes) => BigInt(`0x${hex(bytes.slice().reverse())}`);

// Browsers accept small-order keys and second spellings of a point. Such a key makes one signature fit many messages.
export function strictPoint(point) {
  const y = point.length === 32 ? little(point) & (2n ** 255n - 1n) : 0n;
  return y < FIELD && !SMALL_ORDER.includes(y);
}

export async function ed25519(key, message, sig) {
  return sig.length === 64 && little(sig.slice(32)) < GROUP_ORDER && strictPoint(key) && strictPoint(sig.slice(0, 32))
    && subtleVerify({ name: "Ed25519" }, key, message, sig);
}

export async function p256(key, message, sig) {
  return sig.length === 64 && key.length === 65 && key[0] === 4
    && subtleVerify({ name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" }, key, message, sig);
}

async function subtleVerify(algorithm, raw, message, sig) {
  try {
    const key = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
    return await crypto.subtle.verify(algorithm, key, sig, message);
  } catch (error) {
    if (error.name === "DataError") return false; // no point of the curve
    throw new Unchecked(`this browser cannot verify ${algorithm.name}: ${error.message}`);
  }
}

// ---- the log ----------------------------------------------------------------------------------

// Whether leaf `index` stands in the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2).
export async function included(leafHash, index, size, path, root) {
  if (!(index >= 0 && index < size) || [leafHash, root, ...path].some((each) => each.length !== 32)) return false;
  const half = (n) => Math.floor(n / 2); // >> would cut to 32 bits
  let node = index, last = size - 1, current = leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    const right = node % 2 === 1 || node === last;
    current = await sha256([1], ...(right ? [sibling, current] : [current, sibling]));
    while (right && node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && hex(current) === hex(root);
}

async function parseLogKey(string) {
  const [, name, stated, blob] = LOG_KEY.exec(string) ?? refuse(`log key '${string}': not of the format`);
  const key = fromB64(blob), keyHash = hex((await sha256(utf8(`${name}\n`), key)).slice(0, 4));
  same("log key: key hash", stated, keyHash);
  if (key[0] !== 1) throw new Unchecked(`log key: algorithm ${key[0]} is not known here`);
  same("log key: bytes", key.length, 33);
  return { name, keyHash, raw: key.slice(1) };
}

// The text of a note that the log key signed (c2sp.org/signed-note).
export async function openNote(note, logKey) {
  const { name, keyHash, raw } = await parseLogKey(logKey);
  const cut = note.lastIndexOf("\n\n"), signed = note.slice(0, cut + 1), lines = note.slice(cut + 2).split("\n");
  must(cut >= 0 && lines.pop() === "" && lines.length <= 100 && !/[\0-\x09\x0b-\x1f\x7f]/.test(note), "no signed note");
  let found = false;
  for (const line of lines) {
    const [, signer, blob] = NOTE_LINE.exec(line) ?? refuse(`note: line '${line}'`), bytes = fromB64(blob);
    if (signer !== name || hex(bytes.slice(0, 4)) !== keyHash) continue; // a witness, none of our business
    found = must(await ed25519(raw, utf8(signed), bytes.slice(4)), `note: ${name} did not sign this`);
  }
  must(found, `note: no signature by the log key ${name}+${keyHash}`);
  return signed;
}

// ---- witnesses --------------------------------------------------------------------------------

// A policy file (c2sp.org/tlog-policy): logs, witnesses, groups and the quorum, each defined before it is named.
async function readPolicy(text) {
  const logs = new Map(), witnesses = new Map(), groups = new Map(), members = [], quorums = [];
  const known = (name) => must(witnesses.has(name) || groups.has(name), `'${name}' is not defined`) && name;
  const fresh = (name) => must(name !== "none" && !witnesses.has(name) && !groups.has(name), `'${name}' again`) && name;
  must(!/[\0-\x08\x0b-\x1f\x7f]/.test(text), "control characters");
  for (const line of text.split("\n")) {
    const [word, name, ...rest] = line.split(/[ \t]+/).filter(Boolean);
    const between = (least, most) => must(rest.length >= least && rest.length <= most, `'${line}'`);
    if (!word || word[0] === "#") continue;
    if (word === "log" && name && between(0, 1)) {
      const { kind, id } = await parseKey(name);
      must(kind !== 4 && !logs.has(id), `log '${name}'`);
      logs.set(id, name);
    } else if (word === "witness" && between(1, 2)) {
      const key = await parseKey(rest[0]);
      const twice = [...witnesses.values()].some(({ id }) => id === key.id);
      must([4, 6].includes(key.kind) && !twice, `witness '${name}'`);
      witnesses.set(fresh(name), key);
    } else if (word === "group" && between(2, Infinity)) {
      const [threshold, ...own] = rest, needed = { any: 1, all: own.length }[threshold] ?? Number(threshold);
      members.push(...own.map(known));
      must(new Set(members).size === members.length, `group '${name}': a member of two`);
      must(/^(any|all|[1-9][0-9]{0,5})$/.test(threshold) && needed <= own.length, `group '${name}': '${threshold}'`);
      groups.set(fresh(name), { needed, own });
    } else if (word === "quorum" && name && between(0, 0)) quorums.push(name === "none" ? name : known(name));
    else refuse(`'${line}'`);
  }
  must(quorums.length === 1, `${quorums.length} quorum lines, expected one`);
  const holds = (name, names) => groups.has(name)
    ? groups.get(name).own.filter((each) => holds(each, names)).length >= groups.get(name).needed : names.has(name);
  const [quorum] = quorums, enough = (names) => quorum === "none" || holds(quorum, names);
  return { logs: [...logs.values()], witnesses, quorum, enough };
}

async function parseKey(text) {
  const [, name, stated, blob] = VKEY.exec(text) ?? refuse(`verifier key '${text}'`), key = fromB64(blob), [kind] = key;
  same("key hash", stated, hex((await sha256(utf8(`${name}\n`), key)).slice(0, 4)));
  must(key.length === { 1: 33, 4: 33, 6: 1313, 255: key.length }[kind], `verifier key '${text}'`);
  must(key.length !== 33 || strictPoint(key.slice(1)), `verifier key '${text}': not strict`);
  return { name, kind, keyHash: stated, raw: key.slice(1), id: hex(key.slice(1)) };
}

// The witnesses that cosigned a note (c2sp.org/tlog-cosignature), whose form openNote has checked; they are a quorum.
async function cosigners(note, { witnesses, quorum, enough }) {
  const cut = note.lastIndexOf("\n\n"), text = note.slice(0, cut + 1), cosigned = new Set(), unread = new Set();
  for (const line of note.slice(cut + 2, -1).split("\n")) {
    const [, signer, blob] = NOTE_LINE.exec(line), bytes = fromB64(blob);
    for (const [name, witness] of witnesses) {
      if (witness.name !== signer || hex(bytes.slice(0, 4)) !== witness.keyHash) continue;
      if (witness.kind !== 4) unread.add(name);
      else {
        const time = BigInt(`0x0${hex(bytes.slice(4, 12))}`), message = `cosignature/v1\ntime ${time}\n${text}`;
        const holds = bytes.length === 76 && time < 2n ** 63n && await ed25519(witness.raw, utf8(message), bytes.slice(12));
        cosigned.add(must(holds, `the cosignature of ${signer} is not one over this checkpoint`) && name);
      }
    }
  }
  if (enough(cosigned)) return [...cosigned].sort();
  if (enough(new Set([...cosigned, ...unread]))) throw new Unchecked(`lines of ${[...unread]} cannot be read here`);
  return refuse(`cosigned by ${[...cosigned].sort().join(", ") || "nobody"}: expected the quorum ${quorum}`);
}
