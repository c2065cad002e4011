'use strict';
/* SHA256 */
onmessage = ({ data: [nonce, bits] }) => {
  let found = -1;
  for (let n = 0; found < 0; n += 1000) found = search(nonce, bits, n, 1000);
  postMessage(found);
};
