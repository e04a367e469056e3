// Runs a program on an emulated processor with AVX-512, for machines that have none (qemu does not emulate it):
//   node scripts/bochs.cjs PROGRAM [ARGUMENT...]
// Boots a Debian kernel in Bochs, with the program, the libraries that it loads, and every file and folder that an
// argument names, each under its own path. Prints what the program printed; exits with its exit code. NODE_CTC_...
// variables go in. Takes half a minute to boot, and then some hundreds of times as long as here.
// Needs Debian 12 and its packages bochs (with any of its displays, as bochs-term), busybox-static, cpio, isolinux,
// syslinux-common and xorriso; the kernel's package is downloaded (apt-get download), not installed. What it counts is
// no time of a processor's.
'use strict';

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const root = path.join(__dirname, '..');

const busybox = '/bin/busybox';
const isolinux = '/usr/lib/ISOLINUX/isolinux.bin';
const ldlinux = '/usr/lib/syslinux/modules/bios/ldlinux.c32';
const bios = '/usr/share/bochs/BIOS-bochs-latest';
const vgaBios = '/usr/share/vgabios/vgabios.bin';

class Problem extends Error {}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (done.error) throw new Problem(`${command}: ${done.error.message}`);
  if (done.status !== 0) throw new Problem(`${command} failed\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

/** The packages of Debian's that this takes and that are not there. */
function missingPackages() {
  const onPath = (name) =>
    process.env.PATH.split(path.delimiter).some((folder) => fs.existsSync(path.join(folder, name)));
  const packages = {
    bochs: onPath('bochs') && fs.existsSync(bios) && fs.existsSync(vgaBios),
    'busybox-static': fs.existsSync(busybox),
    cpio: onPath('cpio'),
    isolinux: fs.existsSync(isolinux),
    'syslinux-common': fs.existsSync(ldlinux),
    xorriso: onPath('xorriso'),
  };
  return Object.keys(packages).filter((name) => !packages[name]);
}

/** The newest cloud kernel of this Debian, kept in `folder`: it is small, and soon up. */
function kernelIn(folder) {
  const kept = path.join(folder, 'vmlinuz');
  if (fs.existsSync(kept)) return kept;
  fs.mkdirSync(folder, { recursive: true });
  const work = fs.mkdtempSync(path.join(folder, 'kernel-'));
  try {
    const known = run('apt-cache', ['show', 'linux-image-cloud-amd64']);
    const [name] = known.match(/linux-image-[\d.]+\S*-cloud-amd64/);
    run('apt-get', ['download', name], { cwd: work });
    const [file] = fs.readdirSync(work);
    run('dpkg-deb', ['--extract', file, '.'], { cwd: work });
    const [image] = fs.readdirSync(path.join(work, 'boot')).filter((f) => f.startsWith('vmlinuz-'));
    fs.renameSync(path.join(work, 'boot', image), kept);
    return kept;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** The shared libraries of a program, its loader among them. */
function librariesOf(program) {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]);
}

const quoted = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

/** What the kernel starts. The last line on the console is the program's exit code. */
function initScript(command) {
  const variables = Object.keys(process.env).filter((name) => name.startsWith('NODE_CTC_'));
  return [
    `#!${busybox} sh`,
    `${busybox} mount -t devtmpfs none /dev`,
    `${busybox} mount -t proc none /proc`,
    `${busybox} mount -t sysfs none /sys`,
    // Nor must the dynamic linker, which saves registers so where it finds a function at its first call.
    'export LD_BIND_NOW=1',
    `cd ${quoted(process.cwd())}`,
    ...variables.map((name) => `export ${name}=${quoted(process.env[name])}`),
    command.map(quoted).join(' '),
    'echo "exit code $?"',
    // Changes nothing, and waits until the console has sent everything.
    `${busybox} stty -echo`,
    `${busybox} poweroff -f`,
    '',
  ].join('\n');
}

/** A CD that boots the kernel and, in it, the command. */
function makeImage(work, kernel, command) {
  const files = path.join(work, 'files');
  const copy = (from) => {
    const to = path.join(files, from);
    fs.mkdirSync(path.dirname(to), { recursive: true });
    fs.cpSync(from, to, { recursive: true, dereference: true });
  };
  for (const folder of ['dev', 'proc', 'sys', 'tmp', process.cwd()]) {
    fs.mkdirSync(path.join(files, folder), { recursive: true });
  }
  const named = command.map((word) => path.resolve(word)).filter((file) => fs.existsSync(file));
  for (const file of [busybox, ...librariesOf(command[0]), ...named]) copy(file);
  fs.writeFileSync(path.join(files, 'init'), initScript(command), { mode: 0o755 });

  const disc = path.join(work, 'disc');
  fs.mkdirSync(disc);
  fs.copyFileSync(isolinux, path.join(disc, 'isolinux.bin'));
  fs.copyFileSync(ldlinux, path.join(disc, 'ldlinux.c32'));
  fs.copyFileSync(kernel, path.join(disc, 'vmlinuz'));
  run('sh', ['-c', `find . | cpio --create --format=newc --quiet > ${quoted(disc)}/files`], {
    cwd: files,
  });
  // Bochs's compacted XSAVE areas are not as its CPUID says: the kernel must not use them.
  const options = [
    'console=ttyS0,115200 loglevel=1',
    'clearcpuid=xsavec,xsaves mitigations=off nokaslr cryptomgr.notests',
  ];
  fs.writeFileSync(
    path.join(disc, 'isolinux.cfg'),
    `DEFAULT test\nLABEL test\nKERNEL vmlinuz\nINITRD files\nAPPEND ${options.join(' ')}\n`,
  );
  const image = path.join(work, 'image.iso');
  const boot = ['-b', 'isolinux.bin', '-c', 'boot.cat', '-no-emul-boot', '-boot-load-size', '4'];
  run('xorriso', ['-as', 'mkisofs', '-o', image, ...boot, '-boot-info-table', disc]);
  return image;
}

function settings(work, image) {
  const lines = [
    'config_interface: textconfig',
    // A display that nobody looks at: it waits for no viewer.
    'display_library: rfb, options="timeout=0"',
    `romimage: file=${bios}`,
    `vgaromimage: file=${vgaBios}`,
    'cpu: model=corei7_skylake_x, ips=20000000',
    'megs: 1024',
    'clock: sync=none',
    'boot: cdrom',
    'ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14',
    `ata0-master: type=cdrom, path=${image}, status=inserted`,
    `com1: enabled=1, mode=file, dev=${work}/console`,
    `log: ${work}/log`,
    'panic: action=fatal',
    '',
  ];
  fs.writeFileSync(path.join(work, 'bochsrc'), lines.join('\n'));
  // Debian's Bochs has its debugger built in, and waits for a command to continue.
  fs.writeFileSync(path.join(work, 'commands'), 'continue\n');
}

/** Runs until the machine is off, or its kernel has given up, and prints the console meanwhile. */
function emulate(work) {
  return new Promise((resolve, reject) => {
    const args = ['-q', '-f', path.join(work, 'bochsrc'), '-rc', path.join(work, 'commands')];
    const child = spawn('bochs', args, { cwd: work, stdio: 'ignore' });
    const stop = () => child.kill('SIGKILL');
    process.once('SIGINT', stop).once('SIGTERM', stop);
    const file = path.join(work, 'console');
    let text = '';
    const look = () => {
      if (!fs.existsSync(file)) return;
      const now = fs.readFileSync(file, 'utf8').replaceAll('\r', '');
      process.stdout.write(now.slice(text.length));
      text = now;
      if (text.includes('Kernel panic')) stop();
    };
    const timer = setInterval(look, 500);
    child.on('error', reject);
    child.on('close', () => {
      clearInterval(timer);
      look();
      resolve(text);
    });
  });
}

async function main(command) {
  if (command.length === 0) throw new Problem('which program?');
  const missing = missingPackages();
  if (missing.length > 0) throw new Problem(`needs Debian's packages ${missing.join(' ')}`);
  const kernel = kernelIn(path.join(root, 'build-cmake-avx512', 'kernel'));
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ctc-bochs-'));
  try {
    settings(work, makeImage(work, kernel, command));
    const exit = (await emulate(work)).match(/exit code (\d+)\s*(\[.*)?\s*$/);
    if (exit) return Number(exit[1]);
    const log = path.join(work, 'log');
    const last = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').slice(-2000) : 'no log';
    throw new Problem(`the machine stopped before the program did\n${last}`);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

module.exports = { missingPackages };

if (require.main === module) {
  main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error) => {
      if (!(error instanceof Problem)) throw error;
      process.stderr.write(`bochs.cjs: ${error.message}\n`);
      process.exit(1);
    },
  );
}
