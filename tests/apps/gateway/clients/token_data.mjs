// Write the tokenizer data of js-tiktoken as tiktoken for Python wants to find it: node token_data.mjs FOLDER
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
for (const name of ["o200k_base", "cl100k_base"]) {
  const { default: data } = await import(`js-tiktoken/ranks/${name}`);
  const rows = data.bpe_ranks.split("\n").filter(Boolean).flatMap((line) => {
    const [, offset, ...tokens] = line.split(" ");
    return tokens.map((token, index) => [Number(offset) + index, token]);
  });
  rows.sort((one, other) => one[0] - other[0]);
  const url = `https://openaipublic.blob.core.windows.net/encodings/${name}.tiktoken`;
  const file = createHash("sha1").update(url).digest("hex");
  writeFileSync(join(folder, file), rows.map(([rank, token]) => `${token} ${rank}\n`).join(""));
}
