# The CPU addon alone, for node-gyp. Sources, defines and flags come from native/sources.cjs, as in
# CMakeLists.txt; test/build.test.ts compares the two.
{
  'variables': {
    'ctc_tests%': 'no',
    'ctc_bench%': 'no',
  },
  'target_defaults': {
    'include_dirs': ['<!@(node native/sources.cjs includes)'],
    'defines': ['<!@(node native/sources.cjs defines)'],
    # node's common.gypi forbids exceptions; the core catches std::bad_alloc.
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'conditions': [
      ['OS!="win" and OS!="mac"', {
        'cflags_cc': ['-std=c++17', '<!@(node native/sources.cjs flags)'],
        'ldflags': ['-pthread'],
      }],
      ['OS=="mac"', {
        'xcode_settings': {
          'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
          'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
          'MACOSX_DEPLOYMENT_TARGET': '11.0',
          'OTHER_CPLUSPLUSFLAGS': ['<!@(node native/sources.cjs flags)'],
        },
      }],
      ['OS=="win"', {
        'defines!': ['_HAS_EXCEPTIONS=0'],
        'msvs_settings': {
          'VCCLCompilerTool': {
            'AdditionalOptions': ['/std:c++17', '/fp:precise', '/EHsc'],
          },
        },
      }],
    ],
  },
  'targets': [
    {
      'target_name': 'ctc_core',
      'type': 'static_library',
      'win_delay_load_hook': 'false',
      'sources': ['<!@(node native/sources.cjs core)'],
    },
    {
      'target_name': 'ctc',
      'dependencies': ['ctc_core'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'sources': ['<!@(node native/sources.cjs binding)'],
    },
  ],
  'conditions': [
    ['ctc_tests=="yes"', {
      'targets': [
        {
          'target_name': 'ctc_tests',
          'type': 'executable',
          'win_delay_load_hook': 'false',
          'dependencies': ['ctc_core'],
          'sources': ['<!@(node native/sources.cjs tests)'],
          'conditions': [
            ['OS!="win"', {
              'dependencies': ['ctc_emulation'],
              'defines': ['CTC_EMULATED'],
              'sources': ['<!@(node native/sources.cjs emulationTests)'],
            }],
          ],
        },
      ],
    }],
    ['ctc_tests=="yes" and OS!="win"', {
      'targets': [
        {
          'target_name': 'ctc_emulation',
          'type': 'static_library',
          'defines': ['CTC_EMULATED'],
          'sources': ['<!@(node native/sources.cjs emulation)'],
        },
        {
          'target_name': 'ctc_emulated',
          'type': 'loadable_module',
          'win_delay_load_hook': 'false',
          'dependencies': ['ctc_emulation', 'ctc_core'],
          'defines': ['CTC_EMULATED'],
          'sources': ['<!@(node native/sources.cjs emulationLibrary)'],
        },
      ],
    }],
    ['ctc_tests=="yes" and OS=="linux"', {
      'targets': [
        {
          'target_name': 'ctc_counted',
          'dependencies': ['ctc_core'],
          'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
          'sources': ['<!@(node native/sources.cjs counted)'],
          # Its own operator new, also for what the C++ library allocates for it.
          'ldflags': ['-Wl,-Bsymbolic', '-static-libstdc++'],
        },
      ],
    }],
    ['ctc_bench=="yes"', {
      'targets': [
        {
          'target_name': 'ctc_bench',
          'dependencies': ['ctc_core'],
          'sources': ['<!@(node native/sources.cjs bench)'],
        },
        {
          'target_name': 'ctc_profile',
          'type': 'executable',
          'win_delay_load_hook': 'false',
          'dependencies': ['ctc_core'],
          'sources': ['<!@(node native/sources.cjs profile)'],
        },
      ],
    }],
  ],
}
