// Pickles, and PyTorch's files with pickles in them, are programs: they are never loaded.

/** The one line that makes a readable file of what torch.save wrote. */
export function torchRemedy(path: string): string {
  return `Convert it: python3 -c 'import numpy, torch; numpy.save("logits.npy", torch.load(${shown(path)}, map_location="cpu", weights_only=True).float().numpy())'`;
}

/** The same for what pickle.dump wrote. */
export function pickleRemedy(path: string): string {
  return `If you trust it, convert it: python3 -c 'import numpy, pickle; numpy.save("logits.npy", numpy.asarray(pickle.load(open(${shown(path)}, "rb")), dtype="f4"))'`;
}

// Within a Python string within a shell's quotes.
function shown(path: string): string {
  return JSON.stringify(path).replaceAll("'", "'\\''");
}
