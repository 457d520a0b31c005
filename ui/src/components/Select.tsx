// A select box: zag's machine gives keyboard, typeahead and roles; the looks are ours.
import { normalizeProps, useMachine } from "@zag-js/preact";
import * as select from "@zag-js/select";
import { useId, useMemo } from "preact/hooks";
import { Portal } from "./Portal";
import { Icon, type IconName } from "./Icon";

export interface Option {
  readonly value: string;
  readonly label: string;
}

interface Props {
  readonly label: string;
  readonly options: readonly Option[];
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly icon?: IconName;
  /** Shows only the icon; the label is still spoken. */
  readonly compact?: boolean;
}

export function Select({ label, options, value, onChange, icon, compact }: Props) {
  const collection = useMemo(() => select.collection({ items: [...options] }), [JSON.stringify(options)]);
  const service = useMachine(select.machine, {
    id: useId(),
    collection,
    value: [value],
    positioning: { placement: "bottom-start", gutter: 4 },
    onValueChange: ({ value: [chosen] }) => {
      if (chosen !== undefined && chosen !== value) onChange(chosen);
    },
  });
  const api = select.connect(service, normalizeProps);
  const shown = options.find((option) => option.value === value)?.label ?? value;
  return (
    <div class="select" {...api.getRootProps()}>
      <label class="visually-hidden" {...api.getLabelProps()}>
        {label}
      </label>
      <button class="button" {...api.getTriggerProps()} aria-label={`${label}: ${shown}`} title={label}>
        {icon !== undefined && <Icon name={icon} />}
        {compact !== true && <span class="select-value">{shown}</span>}
        <Icon name="chevron" />
      </button>
      <Portal>
        <div class="pop-positioner" {...api.getPositionerProps()}>
          <ul class="pop menu" {...api.getContentProps()}>
            {options.map((option) => (
              <li key={option.value} class="menu-item" {...api.getItemProps({ item: option })}>
                <span>{option.label}</span>
                {option.value === value && <Icon name="check" />}
              </li>
            ))}
          </ul>
        </div>
      </Portal>
    </div>
  );
}
