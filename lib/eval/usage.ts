/** A command was given something that it cannot do; shown without a stack. */
export class UsageError extends Error {}
