// Imports a package that has ES modules only. Not compiled, and loaded from here by both builds: of an `import()` in
// TypeScript the compiler makes a `require` for CommonJS, which such packages or older versions of Node refuse.
'use strict';

module.exports = (name) => import(name);
