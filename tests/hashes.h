/* Hashes of what the calls write. Every machine, compiler, instruction set and number of threads must find these; no
 * command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. Where one
 * differs hashes.c prints the row as found. Layout, batch, features, spatial; f32, f64, bf16, f16. A row's inputs
 * depend on its place: new ones come last. */

/* What the three calls write: y (training, inference), mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes[] = {
    {LAST, 200, 3, 1, {0x66f6e2d96a7a9deb, 0xf765bbc05a226c3e, 0xc1334146179aae5b, 0x5da89a952498248f}},
    {LAST, 32, 128, 1, {0x1c45f0f2f872d3c1, 0x3b0cc1e128a071f4, 0x178cf7b9de4aceac, 0x5ea97d1a1c3606a7}},
    {LAST, 1000, 33, 1, {0x0f6edb5f6a64acd1, 0xb489eb5c5e01f313, 0x81fbb86e74946e94, 0xbd1e0233bb747ca7}},
    {LAST, 70, 1025, 1, {0xf8c62e35d4d5c3ca, 0x58a1d86c79443dfa, 0x049549dfdf8cc8bc, 0x3a2470c56c3f88e1}},
    {LAST, 1300, 100, 1, {0x91a12958d4e8ae93, 0x551997eb21e67ebc, 0x3695f2dc6166e62a, 0x1c1f7fd082e8e88a}},
    {LAST, 5, 66, 196, {0x7cb168aff2310d63, 0x783e085fe42aef6d, 0xc824a7ea4db0b826, 0xca679f991f7259cc}},
    {LAST, 3, 7, 500, {0x653f3f291421367d, 0x5240950014799248, 0x23f885c12a787e09, 0x739d9a3f67cda0a6}},
    {LAST, 9000, 1, 1, {0xc34b04898f962856, 0x0703e98c09e92cf3, 0x0ff27bdec1070d13, 0x1c57ee9d4e6c829f}},
    {FIRST, 32, 128, 1, {0xae5fe15ee7e8672b, 0x9cf701c8a4731d88, 0x1bd2c924db5e2134, 0xdc3e245343f763a7}},
    {FIRST, 50, 3, 7, {0x7fa749e98b6653dc, 0xa602f2c347c0f441, 0xec56d7a2863d6b8f, 0xf10e9fcec22c1810}},
    {FIRST, 130, 65, 16, {0xcec3d6032892d4ae, 0x3f903a298a51d829, 0x8665b47b1fc5c8f5, 0x2877c8a72ed9db6a}},
    {FIRST, 50, 64, 49, {0x499607779e2f7f34, 0xba43da12396bb16e, 0x71c70bfeb43f3f42, 0x0730f1ee0e3be2f5}},
    {FIRST, 9, 17, 63, {0x28144e2bf3f751e9, 0xd80e28e7c2ee89ac, 0xb9284a8c88d222be, 0xdc5b74f1b82d7544}},
    {FIRST, 9, 5, 64, {0xf4ae2d8aa726c7f9, 0x1f077b27fe6e4401, 0x4daebea0318b6df7, 0x0a797e28ff028b2e}},
    {FIRST, 9, 5, 65, {0x954424c72106743b, 0xd5ddaa1ee9b6bbe1, 0x53640fbadc493129, 0xa2135f56c2ae75d1}},
    {FIRST, 5, 66, 196, {0xf7af0a7eba9051f9, 0xfc6ce237b3a3ac0f, 0x21431af9d12c9b53, 0x77ed7354773134c3}},
    {FIRST, 3, 7, 500, {0xaf3e79af5de82909, 0x19489ff83f75d254, 0xf17eca1b67b6f74c, 0xb9bfef0804ea0815}},
    {FIRST, 3, 2, 4095, {0x34f3311b8773f2dc, 0x306da2183e6adc65, 0x701d95b8262c3aec, 0x2d4270b67d15c507}},
    {FIRST, 3, 3, 4096, {0x4276d81e56d7129a, 0x005293f1bc28f2d7, 0x53920584726f0102, 0xc4e29e55f21b6f75}},
    {FIRST, 2, 3, 4097, {0xd0a89b26f0d6b1df, 0x045bc0e09a7219ad, 0x4e6e28f83b96b085, 0xa24710175fd9d6d3}},
    {FIRST, 1, 3, 12544, {0x3996b44addbf2fca, 0x5df4fdcb4c822bac, 0xa78efdc9b850cedd, 0x794e03629c466cdb}},
    /* Enough for several threads: rows, columns, images, channels, parts of an image to share out. */
    {LAST, 2000, 257, 1, {0x62636b7a72576ebe, 0x53cc9f0501002643, 0x3d058c116694d855, 0x149a6d3527c92ac5}},
    {LAST, 70, 9001, 1, {0x3a9593033e36092c, 0x71003def67264d6b, 0x7797cb4ca4ca65ec, 0xdd6bc91250f87105}},
    {LAST, 200000, 3, 1, {0xf753150ce151eddd, 0x3813e5214bd9578c, 0x5aa1c0dde352d15d, 0xd9ed3ac5b9347b21}},
    {LAST, 200, 64, 49, {0xa81814c5f1a81f70, 0xad6f8f8e78f60604, 0x08c5e5f3f275823f, 0xc46e7ba9c17d4a8c}},
    {LAST, 2, 40, 6400, {0xd0931af10908665c, 0xda6c352013c07061, 0x30aefddde98595fb, 0x9c42a9770082b8d2}},
    {FIRST, 200, 64, 49, {0x2cd3ec96c1ea3021, 0xf398383306888c41, 0x924bfd07b951fa41, 0x244f625a6f7991ab}},
    {FIRST, 1, 1, 600001, {0xe5c554952a08da24, 0x33d1398996ab2ab8, 0xe38385a11ab0c77a, 0x9265bfa8ecc77216}},
    {FIRST, 30000, 3, 7, {0x38bc45d7c4557134, 0x7cb8080bb8f70a07, 0x4c49e3e135e3f720, 0x927a65f24b9b4e1e}},
    {FIRST, 3, 4, 50176, {0x2d287709c8d7792e, 0xc44758e994bfe834, 0x65dd52cefe76aa11, 0x91519edc14355e7b}},
    /* In bytes beyond a last-level cache of 32 MB: written past it. Enough for 64 threads. */
    {LAST, 12000, 500, 1, {0x229c6bf0fce97f35, 0x1d30953d7398384b, 0x2715fd13f3926e70, 0x9d1ddb3829623ab1}},
    {FIRST, 120, 64, 784, {0xe6dd18511eae7678, 0xa65de69fb1e3008b, 0x8f352e2d1dae3878, 0x6f3c6f9eb4becf04}},
};

/* The same with NaN, infinities, the largest and smallest numbers and signed zeros among the values. */
static const struct row hashes_of_special_values[] = {
    {LAST, 100, 90, 1, {0x9c4136ab08890365, 0xadf57b35513b095b, 0xfe7904af2afd1c17, 0x9a86bb4a75842e4f}},
    {LAST, 300, 9, 1, {0xb977bb765f985d29, 0x0bb8ae614b87f7d7, 0x8bea785b6a2070c8, 0x3d417ea89cf74673}},
    {LAST, 3000, 90, 1, {0x44f636555dfead77, 0x2628830dee73d188, 0x34ddbc04a2f27e64, 0x54e371752b9e8070}},
    {LAST, 5, 90, 49, {0x099727c2ca2587a1, 0xfaed9433dec3ba9f, 0xd04d796f12df5445, 0xae5acf3206fd6cea}},
    {FIRST, 5, 90, 49, {0x94de46dd232aad80, 0x108ad7f352516c2c, 0xa80ff0e1d21bac43, 0xbb654228979e62bc}},
    {FIRST, 70, 90, 1, {0x9d13a51f2cfc2ea9, 0x71822d0982ae3ecc, 0xf07ef938c71673b5, 0x8f3cd6a69730ae32}},
    {FIRST, 3, 45, 200, {0x2007094df3ea6347, 0xd96cefbfad968d59, 0x4a5cd262b6bf3bf6, 0xe75d8b856e72f797}},
    {FIRST, 2, 9, 5000, {0xf0241b8cc72a0fc7, 0x2fa133da3a08ece6, 0x32999964df7fd5ac, 0x68b1b42d14097b53}},
};

/* A batch in three parts: the serialised sums, y, mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes_of_parts[] = {
    {LAST, 1000, 3, 1, {0x5c453c344121ebb0, 0xf048fda19959a787, 0xcf1f32b3114640ff, 0x2ab488f949f105bf}},
    {LAST, 1000, 100, 1, {0xb4e0bc1514e3d722, 0x697537221fb90ae9, 0x27f08d53a7f2109c, 0x8c30ad65b9d6d33f}},
    {LAST, 7, 20, 500, {0xa53a0acd52cb5bb0, 0xbfa6f4589510aa67, 0xd57361f26c0a5ef0, 0x437dd773c66a7bd4}},
    {LAST, 3000, 200, 1, {0xdc0ca731d7e56997, 0x591bd2fa98cd9952, 0x9e7fe2338022cd88, 0x0c53028848869c03}},
    {FIRST, 100, 5, 49, {0x0647b92cf8cd3f08, 0x3649e5565ff79fbf, 0xf13112f17ba3c734, 0xd5375bf7b9387d20}},
    {FIRST, 1000, 7, 1, {0x15035fea53c472be, 0xa0bbe989e7646797, 0xa31310ac83c69d15, 0x92bb7b354ac8eb5d}},
    {FIRST, 5, 3, 5000, {0x6071093bf86997bf, 0xb213cb025bacd103, 0xf89ea16110b12762, 0x439b78968d1ac279}},
    {FIRST, 150, 80, 49, {0xebc471155655f82b, 0x88230b9dc18435f3, 0x043a192dcb92ff29, 0x7f9163a18dbd0817}},
};

/* variant_hash(set, true): every tail of a vector, strides, in place. */
static const uint64_t hashes_of_everything[VARIANT_SETS] = {
    [FLOATS_CHANNELS_LAST] = 0x2e5c6b196d9ad33e,
    [SIXTEEN_CHANNELS_LAST] = 0x630f3d76641c2144,
    [ALL_CHANNELS_FIRST] = 0x62b3abdf59c4d70a,
};
