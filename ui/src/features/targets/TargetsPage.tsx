// stub
export function TargetsPage() { return null; }
