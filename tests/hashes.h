/* Hashes of what the calls write. Every machine, compiler, instruction set and number of threads must find these; no
 * command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. Where one
 * differs hashes.c prints the row as found. Layout, batch, features, spatial; f32, f64, bf16, f16. A row's inputs
 * depend on its place: new ones come last. */

/* What the three calls write: y (training, inference), mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes[] = {
    {LAST, 200, 3, 1, {0x66f6e2d96a7a9deb, 0xf765bbc05a226c3e, 0x714b1723b7c0ddb5, 0x5da89a952498248f}},
    {LAST, 32, 128, 1, {0x1c45f0f2f872d3c1, 0x3b0cc1e128a071f4, 0x178cf7b9de4aceac, 0x5ea97d1a1c3606a7}},
    {LAST, 1000, 33, 1, {0x0f6edb5f6a64acd1, 0xb489eb5c5e01f313, 0x81fbb86e74946e94, 0xbd1e0233bb747ca7}},
    {LAST, 70, 1025, 1, {0x24e2668411a43354, 0x58a1d86c79443dfa, 0x62fbd84874e3aefe, 0xb9e66d8128678e07}},
    {LAST, 1300, 100, 1, {0x91a12958d4e8ae93, 0x551997eb21e67ebc, 0x3695f2dc6166e62a, 0x1c1f7fd082e8e88a}},
    {LAST, 5, 66, 196, {0x7cb168aff2310d63, 0x783e085fe42aef6d, 0xc824a7ea4db0b826, 0xca679f991f7259cc}},
    {LAST, 3, 7, 500, {0xa3e2be407939b076, 0x5240950014799248, 0x23f885c12a787e09, 0x739d9a3f67cda0a6}},
    {LAST, 9000, 1, 1, {0xc34b04898f962856, 0x0703e98c09e92cf3, 0x030f9cb2493f048c, 0x1c57ee9d4e6c829f}},
    {FIRST, 32, 128, 1, {0xae5fe15ee7e8672b, 0x9cf701c8a4731d88, 0x1bd2c924db5e2134, 0xdc3e245343f763a7}},
    {FIRST, 50, 3, 7, {0x7fa749e98b6653dc, 0xa602f2c347c0f441, 0xec56d7a2863d6b8f, 0xf10e9fcec22c1810}},
    {FIRST, 130, 65, 16, {0x3da0d9ef8551370d, 0x3f903a298a51d829, 0x7b2db80f694fa453, 0x6b7f9f91c48d52ee}},
    {FIRST, 50, 64, 49, {0x499607779e2f7f34, 0xe198da3b6b6d7c1c, 0x71c70bfeb43f3f42, 0x0730f1ee0e3be2f5}},
    {FIRST, 9, 17, 63, {0x1274533018bd60dc, 0x6e49fd062dfed06a, 0xbf09c85097214332, 0x770c6c0e65785b95}},
    {FIRST, 9, 5, 64, {0xac878588de4c08a9, 0x7a7c853c382fcf0f, 0x4daebea0318b6df7, 0xe8f095f796dd0900}},
    {FIRST, 9, 5, 65, {0x954424c72106743b, 0xd5ddaa1ee9b6bbe1, 0x53640fbadc493129, 0xa2135f56c2ae75d1}},
    {FIRST, 5, 66, 196, {0xbadbd0310b08eee8, 0xfc6ce237b3a3ac0f, 0x54452851203da83d, 0x75c65df684f6f79d}},
    {FIRST, 3, 7, 500, {0xaf3e79af5de82909, 0x19489ff83f75d254, 0x7ad2cc51bdba1372, 0xb9bfef0804ea0815}},
    {FIRST, 3, 2, 4095, {0x34f3311b8773f2dc, 0x306da2183e6adc65, 0x701d95b8262c3aec, 0x2d4270b67d15c507}},
    {FIRST, 3, 3, 4096, {0x0573e54317cbb0b4, 0x005293f1bc28f2d7, 0x7a2970d865b120d5, 0xedc7269a671e344f}},
    {FIRST, 2, 3, 4097, {0xd0a89b26f0d6b1df, 0x045bc0e09a7219ad, 0x4e6e28f83b96b085, 0xa24710175fd9d6d3}},
    {FIRST, 1, 3, 12544, {0x3996b44addbf2fca, 0x5df4fdcb4c822bac, 0xa78efdc9b850cedd, 0x794e03629c466cdb}},
    /* Enough for several threads: rows, columns, images, channels, parts of an image to share out. */
    {LAST, 2000, 257, 1, {0xc8355cbb1dfa247e, 0x53cc9f0501002643, 0x67884a1b579d9663, 0x703ccf32281b92de}},
    {LAST, 70, 9001, 1, {0xd9ceea3b7ce079cb, 0x71003def67264d6b, 0x245568eb98eb43e2, 0x84659ac7d8b4143c}},
    {LAST, 200000, 3, 1, {0xf753150ce151eddd, 0x3813e5214bd9578c, 0x5aa1c0dde352d15d, 0xd9ed3ac5b9347b21}},
    {LAST, 200, 64, 49, {0xe608e3cfadbff5bc, 0xad6f8f8e78f60604, 0xc2ff6ff6a961fb2a, 0xc0cf3c3eccf8af1c}},
    {LAST, 2, 40, 6400, {0x287f730404e965d5, 0xda6c352013c07061, 0x9c25b6d6ed843563, 0x8c6b7ad8a0240de2}},
    {FIRST, 200, 64, 49, {0x2cd3ec96c1ea3021, 0xc12f19a6715fb0bc, 0x924bfd07b951fa41, 0x244f625a6f7991ab}},
    {FIRST, 1, 1, 600001, {0xe5c554952a08da24, 0x33d1398996ab2ab8, 0xe38385a11ab0c77a, 0x9265bfa8ecc77216}},
    {FIRST, 30000, 3, 7, {0xc866ec9748c7118c, 0x7cb8080bb8f70a07, 0x4c49e3e135e3f720, 0x927a65f24b9b4e1e}},
    {FIRST, 3, 4, 50176, {0x2d287709c8d7792e, 0xc44758e994bfe834, 0x65dd52cefe76aa11, 0x91519edc14355e7b}},
    /* In bytes beyond a last-level cache of 32 MB: written past it. Enough for 64 threads. */
    {LAST, 12000, 500, 1, {0xdbd9d212208e9fdb, 0x1d30953d7398384b, 0x9d4113a5401f692c, 0x99d1e9848b03e1cc}},
    {FIRST, 120, 64, 784, {0x595a553254a36257, 0xa65de69fb1e3008b, 0x8820e09039dfa2c3, 0x78cb0e4ccd9bd4c5}},
    /* Short runs of few rows, added up along; a block of them after a full one. */
    {FIRST, 3, 70, 49, {0x5ac45d711398c953, 0x83de439714e2d111, 0xcd4da11ac0bc5838, 0xd42ac7437db38c7e}},
    {FIRST, 65, 5, 64, {0x5818d3910fcaa55f, 0x9c237c7d36c93b56, 0xc54b15909ad003b4, 0x0195f0f1c68ed42d}},
};

/* The same with NaN, infinities, the largest and smallest numbers and signed zeros among the values. */
static const struct row hashes_of_special_values[] = {
    {LAST, 100, 90, 1, {0xdc849b03ec092b2e, 0xadf57b35513b095b, 0xf6f28ca872054e5f, 0x3145959f65df4e4e}},
    {LAST, 300, 9, 1, {0x0e2c28c167e1f56f, 0x0bb8ae614b87f7d7, 0xc42c07ba47f13123, 0x447844073c78b2a8}},
    {LAST, 3000, 90, 1, {0x14d5a915e37dd527, 0x2628830dee73d188, 0xc400250385983aab, 0x60fe30a9e20596e3}},
    {LAST, 5, 90, 49, {0xe455c51591b6d6f0, 0xfaed9433dec3ba9f, 0x5ac1572a0f9f421d, 0xa04894660e12782f}},
    {FIRST, 5, 90, 49, {0x78817aa9a17c355f, 0x722c99ce7981b3a1, 0xccb9dff11e7c07c1, 0x63af60a63a0a119b}},
    {FIRST, 70, 90, 1, {0x9d13a51f2cfc2ea9, 0x71822d0982ae3ecc, 0xbf7ffcd21fed61f5, 0x14358b31b1e69a07}},
    {FIRST, 3, 45, 200, {0xc70e545f4cad3904, 0xd96cefbfad968d59, 0x2d21e6215224c5e3, 0xef97fa6df03d1b7f}},
    {FIRST, 2, 9, 5000, {0x15e45c1ea985163b, 0x2fa133da3a08ece6, 0x603098baf1d28259, 0x20cd880dcade4649}},
    {FIRST, 2, 90, 49, {0xfc2dd7596e1d9686, 0x53471b97d04b833c, 0x23da0025127b7753, 0x12c0bd91894cf78f}},
};

/* A batch in three parts: the serialised sums, y, mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes_of_parts[] = {
    {LAST, 1000, 3, 1, {0x5c453c344121ebb0, 0xf048fda19959a787, 0xcf1f32b3114640ff, 0x2ab488f949f105bf}},
    {LAST, 1000, 100, 1, {0xf65847ca00259df8, 0x697537221fb90ae9, 0xa6bca45230719a4c, 0x4e174ce71883a8a6}},
    {LAST, 7, 20, 500, {0xa53a0acd52cb5bb0, 0xbfa6f4589510aa67, 0xd57361f26c0a5ef0, 0x437dd773c66a7bd4}},
    {LAST, 3000, 200, 1, {0x1a2ddbbe530c764e, 0x591bd2fa98cd9952, 0xf7f8744ceba4901f, 0x2b8b7faa6e1e7299}},
    {FIRST, 100, 5, 49, {0x41422bcb45c8f146, 0x33a3219a4ec0b32c, 0x9d17d06052f81324, 0x74655b068b3dabe7}},
    {FIRST, 1000, 7, 1, {0x15035fea53c472be, 0xa0bbe989e7646797, 0xa31310ac83c69d15, 0x92bb7b354ac8eb5d}},
    {FIRST, 5, 3, 5000, {0xd620316938632d06, 0xb213cb025bacd103, 0x8719632b286ab5ce, 0x106dfe4c32d1c4f5}},
    {FIRST, 150, 80, 49, {0xbd4dd3430ec3b7cf, 0x5b38f5d05d02611b, 0x52f804d1db6e36a2, 0xd124e1f44a3c3ce7}},
    {FIRST, 130, 40, 64, {0x031a531d45b31ceb, 0xb9eb2fdf60b8b4bb, 0xa1baa93d9b2160aa, 0x3fe5630544d47874}},
};

/* variant_hash(set, true): every tail of a vector, strides, in place. */
static const uint64_t hashes_of_everything[VARIANT_SETS] = {
    [FLOATS_CHANNELS_LAST] = 0x8f169e8ce0f73ee3,
    [SIXTEEN_CHANNELS_LAST] = 0xdcb86d0b22054c4c,
    [ALL_CHANNELS_FIRST] = 0xcb6e5ab1a912a060,
};
