// SHA-256 (FIPS 180-4) of a text of at most 55 characters: one block. Only its first 32 bits are needed.
const K = new Int32Array(64), H = new Int32Array(8), W = new Int32Array(64);
for (let n = 0, p = 2; n < 64; p++) {
  let prime = true;
  for (let f = 2; f * f <= p; f++) if (p % f === 0) prime = false;
  if (!prime) continue;
  if (n < 8) H[n] = Math.pow(p, 1 / 2) * 4294967296;
  K[n++] = Math.pow(p, 1 / 3) * 4294967296;
}
function firstWord(text) {
  W.fill(0, 0, 16);
  const length = text.length;
  for (let i = 0; i < length; i++) W[i >> 2] |= text.charCodeAt(i) << (24 - (i & 3) * 8);
  W[length >> 2] |= 128 << (24 - (length & 3) * 8);
  W[15] = length * 8;
  let a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
  for (let i = 0; i < 64; i++) {
    if (i > 15) {
      const x = W[i - 15], y = W[i - 2];
      W[i] = (W[i - 16] + W[i - 7] + ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3)
        + ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10)) | 0;
    }
    const t = (h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7))
      + (e & f ^ ~e & g) + K[i] + W[i]) | 0;
    const u = (((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) + (a & b ^ a & c ^ b & c)) | 0;
    h = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0;
  }
  return (a + H[0]) >>> 0;
}
// The first number from `from` whose hash begins with `bits` zero bits; -1 when none of `count` does.
function search(nonce, bits, from, count) {
  for (let n = from; n < from + count; n++) if (firstWord(nonce + ':' + n) >>> (32 - bits) === 0) return n;
  return -1;
}
