// YAML to read: keys stand out, everything stays text.

/** Splits a line into indent with dashes, key with its colon, and the rest. */
export function splitLine(line: string): readonly [indent: string, key: string, rest: string] {
  const match = /^(\s*(?:- )*)((?:"[^"]*"|[\w.\-/]+):(?=\s|$))?(.*)$/.exec(line);
  return [match?.[1] ?? "", match?.[2] ?? "", match?.[3] ?? line];
}

export function Yaml({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <pre class="card yaml mono" tabIndex={0} role="region" aria-label={label}>
      {text.split("\n").map((line, index) => {
        const [indent, key, rest] = splitLine(line);
        return (
          <div key={index}>
            {indent}
            {key !== "" && <b>{key}</b>}
            {rest}
            {"\n"}
          </div>
        );
      })}
    </pre>
  );
}
