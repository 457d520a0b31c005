import { describe, expect, it } from "vitest";
import { en } from "./en";
import { fill } from "./fill";
import { ko } from "./ko";

const blanks = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "").sort();

describe("the message catalogue", () => {
  it("has every text in both languages", () => {
    expect(Object.keys(ko).sort()).toEqual(Object.keys(en).sort());
    for (const [key, text] of [...Object.entries(en), ...Object.entries(ko)]) expect(text.trim(), key).not.toBe("");
  });
  it("has the same blanks in both languages", () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) expect(blanks(ko[key]), key).toEqual(blanks(en[key]));
  });
  it("is Korean in Korean, but for names and terms", () => {
    const same = (Object.keys(en) as (keyof typeof en)[]).filter((key) => en[key] === ko[key]);
    expect(same).toEqual(["app.name", "tile.cpu", "series.pressureCpu", "series.pressureIo"]);
  });
  it("fills blanks and leaves unknown ones to be seen", () => {
    expect(fill("{a} of {b}", { a: 1, b: "x" })).toBe("1 of x");
    expect(fill("{a} of {b}", { a: 1 })).toBe("1 of {b}");
  });
});
