// Line icons of our own on a 20-unit grid.

const PATHS = {
  host: "M3 4h14v9H3zM7 17h6M10 13v4",
  query: "M3 5l4 4-4 4M9 14h8",
  targets: "M10 2v3M10 15v3M2 10h3M15 10h3M10 5a5 5 0 1 0 0 10 5 5 0 0 0 0-10zM10 9.500v1",
  sun: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M4.300 15.700l1.100-1.100M14.600 5.400l1.100-1.100",
  moon: "M16.500 12.200A7 7 0 0 1 7.800 3.500a7 7 0 1 0 8.700 8.700z",
  system: "M3 4h14v9H3zM10 4v9M7 17h6",
  globe: "M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15zM2.500 10h15M10 2.500c2.500 2 3.500 4.800 3.500 7.500s-1 5.500-3.500 7.500c-2.500-2-3.500-4.800-3.500-7.500s1-5.500 3.500-7.500z",
  clock: "M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15zM10 6v4l2.700 2",
  refresh: "M16 10a6 6 0 1 1-1.900-4.400M16 3v3.500h-3.500",
  chevron: "M6 8l4 4 4-4",
  check: "M4 10.500l4 4 8-9",
  alert: "M10 3l7.500 13.500h-15zM10 8.500v3.500M10 14v.5",
  info: "M10 2.500a7.500 7.500 0 1 0 0 15 7.500 7.500 0 0 0 0-15zM10 9v5M10 6.200v.3",
  empty: "M3 16h14M5 16V9M10 16V5M15 16v-4",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  close: "M5 5l10 10M15 5L5 15",
  play: "M6 4l10 6-10 6z",
  search: "M9 3.500a5.500 5.500 0 1 0 0 11 5.500 5.500 0 0 0 0-11zM13 13l4 4",
  left: "M12 5l-5 5 5 5",
  right: "M8 5l5 5-5 5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
