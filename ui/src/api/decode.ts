// Decoding at the border: what comes over the wire is `unknown` until one of these has looked at it.

/** What came differs from what was agreed; `path` says where. */
export class DecodeError extends Error {
  constructor(
    readonly path: string,
    want: string,
    got: unknown,
  ) {
    super(`${path}: expected ${want}, got ${describe(got)}`);
  }
}

export type Decoder<T> = (input: unknown, path: string) => T;

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `${typeof value} ${JSON.stringify(value)?.slice(0, 40)}`;
}

function isRecord(input: unknown): input is Record<string, unknown> {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

export const string: Decoder<string> = (input, path) => {
  if (typeof input !== "string") throw new DecodeError(path, "a string", input);
  return input;
};

export const number: Decoder<number> = (input, path) => {
  if (typeof input !== "number") throw new DecodeError(path, "a number", input);
  return input;
};

/** Decodes a sample value, which travels as a string because JSON has no NaN. */
export const sampleValue: Decoder<number> = (input, path) => {
  const text = string(input, path);
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  const value = Number(text);
  if (text === "" || (Number.isNaN(value) && text !== "NaN")) throw new DecodeError(path, "a number in a string", input);
  return value;
};

/** Decodes any JSON list element by element; `null`, which Go writes for an empty list, is empty. */
export function list<T>(item: Decoder<T>): Decoder<T[]> {
  return (input, path) => {
    if (input === null) return [];
    if (!Array.isArray(input)) throw new DecodeError(path, "a list", input);
    return input.map((element: unknown, index) => item(element, `${path}[${index}]`));
  };
}

/** Decodes an object whose keys are data. */
export function record<T>(item: Decoder<T>): Decoder<Record<string, T>> {
  return (input, path) => {
    if (input === null) return {};
    if (!isRecord(input)) throw new DecodeError(path, "an object", input);
    return Object.fromEntries(Object.entries(input).map(([key, value]) => [key, item(value, `${path}.${key}`)]));
  };
}

/** Decodes an object with known fields; unknown ones are ignored, so that a newer server still works. */
export function object<T extends Record<string, unknown>>(fields: { readonly [K in keyof T]: Decoder<T[K]> }): Decoder<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return (input, path) => {
    if (!isRecord(input)) throw new DecodeError(path, "an object", input);
    const output: Partial<T> = {};
    for (const name of names) output[name] = fields[name](input[name], `${path}.${name}`);
    return output as T;
  };
}

/** Decodes a field that may be absent. */
export function optional<T>(item: Decoder<T>, fallback: T): Decoder<T> {
  return (input, path) => (input === undefined || input === null ? fallback : item(input, path));
}

/** Decodes one of a few words; others become `fallback` instead of an error. */
export function oneOf<T extends string>(words: readonly T[], fallback: T): Decoder<T> {
  return (input) => words.find((word) => word === input) ?? fallback;
}
