# CMake toolchain: builds for this machine and runs the tests on an emulated processor with AVX-512 (scripts/bochs.cjs
# says which Debian packages that takes). `npm run test:native -- avx512` uses it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CROSSCOMPILING_EMULATOR "node;${CMAKE_CURRENT_LIST_DIR}/bochs.cjs")
# VCVTPS2PH of Bochs 2.7 rounds what lies halfway up, whatever the last bit, in the 128 and 256 bits wide form of AVX2
# processors, too. Processors round it to even.
set(CTC_WITHOUT_TESTS round_halfway_float16)
