// Annotations: texts of whoever wrote the rule, links where they are links, never markup.
import type { Labels } from "../api/types";

// Only addresses that a browser may follow become links: no javascript:, no data:.
const LINK = /^https?:\/\/[^\s]+$/;

export function Annotations({ annotations }: { readonly annotations: Labels }) {
  const all = Object.entries(annotations);
  if (all.length === 0) return null;
  return (
    <dl class="annotations">
      {all.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {LINK.test(value) ? (
              <a href={value} target="_blank" rel="noreferrer noopener">
                {value}
              </a>
            ) : (
              value
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
