/* Hashes of what the calls write. Every machine, compiler, instruction set and number of threads must find these; no
 * command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. Where one
 * differs hashes.c prints the row as found. Layout, batch, features, spatial; f32, f64, bf16, f16. A row's inputs
 * depend on its place: new ones come last. */

/* What the three calls write: y (training, inference), mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes[] = {
    {LAST, 200, 3, 1, {0x66f6e2d96a7a9deb, 0xf765bbc05a226c3e, 0x60d5cfe149cfeffc, 0x720a5036b745fdaf}},
    {LAST, 32, 128, 1, {0x234c8aa2e74a3fb4, 0x3b0cc1e128a071f4, 0x32aebc96e63570d1, 0x1a346e1feef587a0}},
    {LAST, 1000, 33, 1, {0x0f6edb5f6a64acd1, 0xb489eb5c5e01f313, 0x81fbb86e74946e94, 0xd4a0d63094575d85}},
    {LAST, 70, 1025, 1, {0x52acc2236481549a, 0x58a1d86c79443dfa, 0x4d286eb600227d6b, 0x95a43803306c73f5}},
    {LAST, 1300, 100, 1, {0x585b9c081eee613e, 0x551997eb21e67ebc, 0x2b2286528207efd8, 0x92802d70744b3d75}},
    {LAST, 5, 66, 196, {0x7cb168aff2310d63, 0x783e085fe42aef6d, 0xc824a7ea4db0b826, 0xce9b1c966591dd98}},
    {LAST, 3, 7, 500, {0xa89c62710db01294, 0x5240950014799248, 0x5babce39d373406e, 0x16e6750a6dc110c7}},
    {LAST, 9000, 1, 1, {0x96f3eec26703e6af, 0x0703e98c09e92cf3, 0x030f9cb2493f048c, 0x1c57ee9d4e6c829f}},
    {FIRST, 32, 128, 1, {0xae5fe15ee7e8672b, 0x9cf701c8a4731d88, 0x1bd2c924db5e2134, 0xbe93ce512a6e64fa}},
    {FIRST, 50, 3, 7, {0x7fa749e98b6653dc, 0xa602f2c347c0f441, 0x2e0e4fc82274d0be, 0x530ce408f1bbc620}},
    {FIRST, 130, 65, 16, {0xa220368ee836d377, 0x3f903a298a51d829, 0xebf342cd67b5407b, 0x6aa523bfb526e060}},
    {FIRST, 50, 64, 49, {0x499607779e2f7f34, 0xe198da3b6b6d7c1c, 0x71c70bfeb43f3f42, 0xaab8fdc857cf502d}},
    {FIRST, 9, 17, 63, {0x4519de0f0ee97b80, 0x6e49fd062dfed06a, 0x1c24a67816194bee, 0xa139a6bde55e5694}},
    {FIRST, 9, 5, 64, {0xb528877a407c1b98, 0x7a7c853c382fcf0f, 0x4daebea0318b6df7, 0xe8f095f796dd0900}},
    {FIRST, 9, 5, 65, {0x954424c72106743b, 0xd5ddaa1ee9b6bbe1, 0x53640fbadc493129, 0x6652e7b8ebba3a9d}},
    {FIRST, 5, 66, 196, {0x0e41e7758303ac6d, 0xfc6ce237b3a3ac0f, 0x51fb3eaedf5ece8a, 0xf3a22060c12a30ac}},
    {FIRST, 3, 7, 500, {0x258c812314f419f8, 0x19489ff83f75d254, 0xfd6fae8ebb816fc0, 0x5c33cd28519aaf20}},
    {FIRST, 3, 2, 4095, {0x4ca8c777faa29714, 0x0f40ef8ec757cfc0, 0x701d95b8262c3aec, 0x2d4270b67d15c507}},
    {FIRST, 3, 3, 4096, {0xd6d7d158f88c2ef1, 0xaee627268b52a1e6, 0x2ebc0c5485666c08, 0x7a998bb02b249878}},
    {FIRST, 2, 3, 4097, {0xe2d49d7bac027c19, 0x045bc0e09a7219ad, 0xd5f179f117dc928e, 0xa24710175fd9d6d3}},
    {FIRST, 1, 3, 12544, {0xbb97c796d5bfc605, 0xcc25fb8f5cdaaaa2, 0xb0b5a9c4197bbe4d, 0x0b08dc36c41da5ff}},
    /* Enough for several threads: rows, columns, images, channels, parts of an image to share out. */
    {LAST, 2000, 257, 1, {0xeb6165bd52da85b7, 0x53cc9f0501002643, 0x53c5ebd29ba18893, 0x8de7fa5d16d7f4ec}},
    {LAST, 70, 9001, 1, {0x52858f6d99001593, 0x71003def67264d6b, 0x68782342fb2c5674, 0xf5240cca3ec99b45}},
    {LAST, 200000, 3, 1, {0xf753150ce151eddd, 0x3813e5214bd9578c, 0x5aa1c0dde352d15d, 0xdc60721a2194966b}},
    {LAST, 200, 64, 49, {0xd8a48c056918a113, 0xad6f8f8e78f60604, 0xfce1722d6f50c21e, 0x98246d88ecb70dfd}},
    {LAST, 2, 40, 6400, {0x518f2e12d785bc38, 0xda6c352013c07061, 0x0208c4c7a8906e4f, 0x1a27bee1dc1134eb}},
    {FIRST, 200, 64, 49, {0x2cd3ec96c1ea3021, 0xc12f19a6715fb0bc, 0x924bfd07b951fa41, 0xacf8aca2a05becc6}},
    {FIRST, 1, 1, 600001, {0x186ae2a3d17dee73, 0x587e6acab6cd51bf, 0x675b6d0ee101b4d7, 0x9265bfa8ecc77216}},
    {FIRST, 30000, 3, 7, {0x6debd2e3da10f6cc, 0x7cb8080bb8f70a07, 0x4c49e3e135e3f720, 0xd80d018a1cc6e8e4}},
    {FIRST, 3, 4, 50176, {0x9bc58dd6a0398caa, 0x9f6aeb2a320c50e5, 0x8512e0a19e8f3cb2, 0xe1df201f11dd0df1}},
    /* In bytes beyond a last-level cache of 32 MB: written past it. Enough for 64 threads. */
    {LAST, 12000, 500, 1, {0x2c10b18d7cd40845, 0x1d30953d7398384b, 0xe66b22aa9a77080e, 0xee838ec9d91b2f03}},
    {FIRST, 120, 64, 784, {0x4c90eb5d5a937d86, 0xb890777ca6fb55f2, 0x25531b9235e48a30, 0x0d9a5ecc1dd8f25d}},
    /* Short runs of few rows, added up along; a block of them after a full one. */
    {FIRST, 3, 70, 49, {0x5ac45d711398c953, 0x83de439714e2d111, 0xcd4da11ac0bc5838, 0x7e990fa46796bf26}},
    {FIRST, 65, 5, 64, {0xd9208180a24657fa, 0x9c237c7d36c93b56, 0xa105c458226b94bf, 0x0195f0f1c68ed42d}},
    /* Parts of an image, the last of them of 113 values: a run that is not fetched, nor all of its row. */
    {FIRST, 1, 2, 1015921, {0x54886488d1ff59de, 0x754ce18f88ff6324, 0x42b007797551aa58, 0xf386021049cd5077}},
};

/* The same with NaN, infinities, the largest and smallest numbers and signed zeros among the values. */
static const struct row hashes_of_special_values[] = {
    {LAST, 100, 90, 1, {0x39e64820cc075c5b, 0xadf57b35513b095b, 0x06ad4d653709940e, 0xb2868c7fd32c9542}},
    {LAST, 300, 9, 1, {0x90e4138f8aef69f6, 0x0bb8ae614b87f7d7, 0xc42c07ba47f13123, 0xf75c4fc305f161d3}},
    {LAST, 3000, 90, 1, {0x14d5a915e37dd527, 0x2628830dee73d188, 0xc400250385983aab, 0x00f619c8eefa4741}},
    {LAST, 5, 90, 49, {0xcce7971842862e7b, 0xfaed9433dec3ba9f, 0x422a9af127f41f60, 0xd8550ddeee74813a}},
    {FIRST, 5, 90, 49, {0xc6994cc15874e5bd, 0x722c99ce7981b3a1, 0x4897a7b797d41cf5, 0xf38ed3d4711b71f9}},
    {FIRST, 70, 90, 1, {0x9d13a51f2cfc2ea9, 0x71822d0982ae3ecc, 0xbf7ffcd21fed61f5, 0x17b42d9079e11dbf}},
    {FIRST, 3, 45, 200, {0x4aa663469d8d10e6, 0xd96cefbfad968d59, 0x55e621cf53e45454, 0x80c56f07e63065de}},
    {FIRST, 2, 9, 5000, {0xb937c3ab08285cfd, 0x2fa133da3a08ece6, 0xc805ef38ebf2ab16, 0x9dbf5a1de9ca42db}},
    {FIRST, 2, 90, 49, {0xfc2dd7596e1d9686, 0x53471b97d04b833c, 0x23da0025127b7753, 0xee963cd93d8a17e1}},
};

/* A batch in three parts: the serialised sums, y, mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes_of_parts[] = {
    {LAST, 1000, 3, 1, {0xb0febe9b8699724e, 0xf048fda19959a787, 0x02573ec635d49d8f, 0xb81732d1edef746b}},
    {LAST, 1000, 100, 1, {0x917d30465b411abf, 0x697537221fb90ae9, 0x0ba19dd94ef3588a, 0xf587079cab2b9834}},
    {LAST, 7, 20, 500, {0xa53a0acd52cb5bb0, 0xbfa6f4589510aa67, 0xd57361f26c0a5ef0, 0x28de12aeba8372ff}},
    {LAST, 3000, 200, 1, {0x29a9c1966898c187, 0x591bd2fa98cd9952, 0x082416ad8a4ecb86, 0x4c5116d89bcc38b7}},
    {FIRST, 100, 5, 49, {0x6d2ffbad471ab34f, 0x33a3219a4ec0b32c, 0xe173abf7dec8c9fe, 0xa9560c7e103aa84f}},
    {FIRST, 1000, 7, 1, {0x15035fea53c472be, 0xa0bbe989e7646797, 0xa31310ac83c69d15, 0xb0f5ad128d47cfce}},
    {FIRST, 5, 3, 5000, {0x11216ca1fbcd7ae8, 0xb213cb025bacd103, 0x914af28f4200ea83, 0xccb96ab9212a51bc}},
    {FIRST, 150, 80, 49, {0x03cad1b447943df5, 0x5b38f5d05d02611b, 0x640dfc0c91b73787, 0xd0555e18a5cdf180}},
    {FIRST, 130, 40, 64, {0x031a531d45b31ceb, 0xb9eb2fdf60b8b4bb, 0xa1baa93d9b2160aa, 0x5cd6d7fa1e403904}},
    {LAST, 1001, 64, 1, {0xdc6ad2576cae2ad8, 0x31bb2c318c4ad0ae, 0xa6b311eaea0adb69, 0x47e44aa40763aa24}},
    {LAST, 7001, 8, 1, {0xea40315a69e4414c, 0x16cab604462d3533, 0x35d6f35db7aa82a4, 0x09688690113b28df}},
};

/* variant_hash(set, true): every tail of a vector, strides, in place. */
static const uint64_t hashes_of_everything[VARIANT_SETS] = {
    [FLOATS_CHANNELS_LAST] = 0xebaa2e8e22741088,
    [SIXTEEN_CHANNELS_LAST] = 0x7b2427306560f19e,
    [ALL_CHANNELS_FIRST] = 0xb6fed4f2b4742d83,
};
