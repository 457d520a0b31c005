import { expect, it } from "vitest";
import { heard } from "./notifications";

it("keeps each notification once until the server takes it back", () => {
  const word = (text: string, active = true) => ({ text, date: "", active });
  const two = heard(heard(heard([], word("a")), word("b")), word("a"));
  expect(two.map((one) => one.text)).toEqual(["b", "a"]);
  expect(heard(two, word("b", false)).map((one) => one.text)).toEqual(["a"]);
  expect(heard([], word("a", false))).toEqual([]);
});
