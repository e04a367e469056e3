// Where Node's headers are, so that no build downloads them. A folder is laid out as node-gyp
// expects of --nodedir: include/node/{node_api.h, common.gypi, config.gypi}.
// Run by itself it prints the include folder (CMakeLists.txt asks it).
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const needed = ['node_api.h', 'common.gypi', 'config.gypi'];

function isComplete(nodedir) {
  return needed.every((name) => fs.existsSync(path.join(nodedir, 'include', 'node', name)));
}

/** The version in nodedir's node_version.h: headers of another Node may lie under the same prefix. */
function versionOf(nodedir) {
  try {
    const text = fs.readFileSync(path.join(nodedir, 'include', 'node', 'node_version.h'), 'utf8');
    const part = (name) => text.match(new RegExp(`^#define NODE_${name}_VERSION (\\d+)`, 'm'))[1];
    return `v${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
  } catch {
    return undefined;
  }
}

// What an addon needs of node's own common.gypi, by the platforms' plain conventions.
const commonGypi = {
  variables: { 'clang%': 0, 'node_shared%': 'false', 'standalone_static_library%': 1 },
  target_defaults: {
    default_configuration: 'Release',
    configurations: {
      Debug: { cflags: ['-g', '-O0'] },
      Release: {
        cflags: ['-O3'],
        xcode_settings: { GCC_OPTIMIZATION_LEVEL: '3' },
        msvs_settings: { VCCLCompilerTool: { Optimization: 3, RuntimeLibrary: 0 } },
      },
    },
    conditions: [
      ['OS not in "mac win"', { cflags: ['-pthread', '-Wall', '-Wextra'], ldflags: ['-pthread'] }],
      [
        'OS=="mac"',
        {
          xcode_settings: { CLANG_CXX_LIBRARY: 'libc++', GCC_DYNAMIC_NO_PIC: 'NO' },
          conditions: [
            ['target_arch=="x64"', { xcode_settings: { ARCHS: ['x86_64'] } }],
            ['target_arch=="arm64"', { xcode_settings: { ARCHS: ['arm64'] } }],
          ],
        },
      ],
      ['target_arch=="x64"', { msvs_configuration_platform: 'x64' }],
      ['target_arch=="arm64"', { msvs_configuration_platform: 'arm64' }],
    ],
  },
};

/** Lays out the headers of the node-api-headers package: all that a Node-API addon includes. */
function writeFromPackage() {
  const nodedir = path.join(root, 'build', 'node-headers');
  const include = path.join(nodedir, 'include', 'node');
  fs.mkdirSync(include, { recursive: true });
  const from = require('node-api-headers').include_dir;
  for (const name of fs.readdirSync(from)) {
    fs.copyFileSync(path.join(from, name), path.join(include, name));
  }
  const writeGypi = (name, value) =>
    fs.writeFileSync(path.join(include, name), `${JSON.stringify(value, null, 2)}\n`);
  writeGypi('common.gypi', commonGypi);
  writeGypi('config.gypi', process.config);
  return nodedir;
}

/**
 * The folder to give to node-gyp as --nodedir. In this order: what the user configured, what lies
 * beside the running Node, and a folder made of the node-api-headers package.
 */
function findNodedir(env = process.env) {
  const configured = env.npm_config_nodedir;
  if (configured && isComplete(configured)) return configured;
  // NODE_CTC_HEADERS=package leaves out a Node installation's own headers (the tests use it).
  if (env.NODE_CTC_HEADERS !== 'package') {
    const prefix = path.dirname(path.dirname(fs.realpathSync(process.execPath)));
    if (isComplete(prefix) && versionOf(prefix) === process.version) return prefix;
  }
  return writeFromPackage();
}

module.exports = { findNodedir, writeFromPackage };

if (require.main === module) {
  process.stdout.write(`${path.join(findNodedir(), 'include', 'node')}\n`);
}
