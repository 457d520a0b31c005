// The message catalogue: typed keys, typed blanks, two complete languages.
import { locale } from "../app/settings";
import type { Locale } from "../lib/format";
import { en } from "./en";
import { fill } from "./fill";
import { ko } from "./ko";

export type MessageKey = keyof typeof en;
export type Catalogue = { readonly [K in MessageKey]: string };

/** Names of the blanks in a text: `"{a} of {b}"` → `"a" | "b"`. */
type Blanks<S extends string> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Blanks<Rest> : never;
type Values<K extends MessageKey> = { readonly [Name in Blanks<(typeof en)[K]>]: string | number };
type Arguments<K extends MessageKey> = [Blanks<(typeof en)[K]>] extends [never] ? [] : [values: Values<K>];

/** Keys whose texts have no blanks. */
export type PlainKey = { [K in MessageKey]: [Blanks<(typeof en)[K]>] extends [never] ? K : never }[MessageKey];

export const catalogues: Readonly<Record<Locale, Catalogue>> = { en, ko };

/** Returns the text of `key` in the reader's language; reading it in a component follows the language. */
export function t<K extends MessageKey>(key: K, ...values: Arguments<K>): string {
  const text = catalogues[locale.value][key];
  return values[0] === undefined ? text : fill(text, values[0]);
}

/** Returns the `.one` or `.other` text for a count. */
export function plural(one: MessageKey, other: MessageKey, count: number, shown: string): string {
  const rule = new Intl.PluralRules(locale.value).select(count);
  return fill(catalogues[locale.value][rule === "one" ? one : other], { count: shown });
}
