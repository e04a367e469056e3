# CMake toolchain: builds for this machine and runs the tests on an emulated processor with AVX-512 (scripts/bochs.cjs
# says which Debian packages that takes). `npm run test:native -- avx512` uses it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CROSSCOMPILING_EMULATOR "node;${CMAKE_CURRENT_LIST_DIR}/bochs.cjs")
