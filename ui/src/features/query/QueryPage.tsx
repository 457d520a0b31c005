// stub
export function QueryPage() { return null; }
