// Tells what an editor said from what others want of it: a text may come back late, when more has been typed.

export interface Echo {
  /** Notes that the editor told `text`. */
  readonly tell: (text: string) => void;
  /** Whether `text`, which is wanted now, is only what the editor told before; then what it told earlier is forgotten. */
  readonly isOwn: (text: string) => boolean;
  /** Forgets everything told: editor and owner agree. */
  readonly settle: () => void;
}

export function newEcho(): Echo {
  let told: string[] = [];
  return {
    tell: (text) => {
      told.push(text);
    },
    isOwn: (text) => {
      const at = told.lastIndexOf(text);
      told = told.slice(at + 1);
      return at >= 0;
    },
    settle: () => {
      told = [];
    },
  };
}
