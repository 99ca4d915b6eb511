/* Hashes of what the calls write. Every machine, compiler, instruction set and number of threads must find these; no
 * command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. Where one
 * differs hashes.c prints the row as found. Layout, batch, features, spatial; f32, f64, bf16, f16. A row's inputs
 * depend on its place: new ones come last. */

/* What the three calls write: y (training, inference), mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes[] = {
    {LAST, 200, 3, 1, {0x66f6e2d96a7a9deb, 0xa1b086ebd18bb20c, 0xc1334146179aae5b, 0x5da89a952498248f}},
    {LAST, 32, 128, 1, {0x1c45f0f2f872d3c1, 0xe50cb3e3c6e3a0cd, 0x178cf7b9de4aceac, 0x5ea97d1a1c3606a7}},
    {LAST, 1000, 33, 1, {0x0f6edb5f6a64acd1, 0xc1b48bbadc940beb, 0x81fbb86e74946e94, 0xbd1e0233bb747ca7}},
    {LAST, 70, 1025, 1, {0x71534d3574438087, 0xfcaaf0e368519c17, 0x47eb8944ebaa5c79, 0x1ab2124c463f5af9}},
    {LAST, 1300, 100, 1, {0xc2733052c88675d2, 0x491e14f24b0b489a, 0xf689e5008c04fa89, 0x6fa17a5d4dbfb81b}},
    {LAST, 5, 66, 196, {0x7cb168aff2310d63, 0x2096554e1893afe9, 0xc824a7ea4db0b826, 0xca679f991f7259cc}},
    {LAST, 3, 7, 500, {0x6fab682fb6b49f30, 0xedfa1f89f642533f, 0x23f885c12a787e09, 0x87801629a9274b1d}},
    {LAST, 9000, 1, 1, {0xc34b04898f962856, 0x0703e98c09e92cf3, 0x0ff27bdec1070d13, 0x1c57ee9d4e6c829f}},
    {FIRST, 32, 128, 1, {0xae5fe15ee7e8672b, 0x0c71e0444acae313, 0x1bd2c924db5e2134, 0xdc3e245343f763a7}},
    {FIRST, 50, 3, 7, {0x7fa749e98b6653dc, 0xada5a7d417ccba4f, 0xec56d7a2863d6b8f, 0xf10e9fcec22c1810}},
    {FIRST, 130, 65, 16, {0x29337be07c239683, 0xcbf710f6626b2d4d, 0x9a1448d2e781afd5, 0x7223205450971063}},
    {FIRST, 50, 64, 49, {0x499607779e2f7f34, 0x3b42de1ae1a04bcc, 0x71c70bfeb43f3f42, 0x0730f1ee0e3be2f5}},
    {FIRST, 9, 17, 63, {0x7e5d185ce7864702, 0xcb425172610b3d0c, 0xb9284a8c88d222be, 0xb167e7bf8c37f994}},
    {FIRST, 9, 5, 64, {0xf4ae2d8aa726c7f9, 0x45712f193b269cfa, 0x4daebea0318b6df7, 0x0a797e28ff028b2e}},
    {FIRST, 9, 5, 65, {0x954424c72106743b, 0xd5ddaa1ee9b6bbe1, 0x53640fbadc493129, 0xa2135f56c2ae75d1}},
    {FIRST, 5, 66, 196, {0x5c65a039d1e1b093, 0x10e934f53dcb51ef, 0x319294340b70de65, 0xdd4f516c0f2fcf16}},
    {FIRST, 3, 7, 500, {0xa940e71b8ae31283, 0x16bb4050471f6c02, 0x7b2112f46cd0c33f, 0x7bd8e06d434b99c7}},
    {FIRST, 3, 2, 4095, {0x34f3311b8773f2dc, 0xb0a132678d9eeb57, 0x701d95b8262c3aec, 0x2d4270b67d15c507}},
    {FIRST, 3, 3, 4096, {0x0573e54317cbb0b4, 0xf2555ceb0ecf354b, 0x2ebc0c5485666c08, 0xc4e29e55f21b6f75}},
    {FIRST, 2, 3, 4097, {0xd0a89b26f0d6b1df, 0xa896bc729a6d8dbe, 0xf4074bd6e7e8e5d7, 0xa24710175fd9d6d3}},
    {FIRST, 1, 3, 12544, {0x3996b44addbf2fca, 0x5df4fdcb4c822bac, 0xa78efdc9b850cedd, 0x794e03629c466cdb}},
    /* Enough for several threads: rows, columns, images, channels, parts of an image to share out. */
    {LAST, 2000, 257, 1, {0xbe94562e8c01186b, 0x4e2683bfb3de8527, 0x958b86c7d1ec518a, 0xe13e4e876cfdf8b8}},
    {LAST, 70, 9001, 1, {0xcad07a2a9365b517, 0x9cdd166a476ba76c, 0xbdecaf0540f71f84, 0xc34379b99f27665b}},
    {LAST, 200000, 3, 1, {0xf753150ce151eddd, 0xed1b926d488d9d9c, 0x5aa1c0dde352d15d, 0xd9ed3ac5b9347b21}},
    {LAST, 200, 64, 49, {0x1094f29e1f70eda1, 0xf0a8900afc37cf93, 0xe3eb4de699533714, 0x933a6fda9aeb7cae}},
    {LAST, 2, 40, 6400, {0x46899408612d042a, 0x5797bd4f6488939f, 0x4e83452832628e05, 0x8832089c688f0d8d}},
    {FIRST, 200, 64, 49, {0x2cd3ec96c1ea3021, 0x4ed07cac00cc4999, 0x924bfd07b951fa41, 0x244f625a6f7991ab}},
    {FIRST, 1, 1, 600001, {0xe5c554952a08da24, 0x570963840c63b9ee, 0xe38385a11ab0c77a, 0x9265bfa8ecc77216}},
    {FIRST, 30000, 3, 7, {0xdae0a357688cab1d, 0x715be4868fcc91eb, 0x438ec91d436369e0, 0xa69c6a6fcb0708a8}},
    {FIRST, 3, 4, 50176, {0x2d287709c8d7792e, 0x2387723a52a94ee5, 0x65dd52cefe76aa11, 0x91519edc14355e7b}},
    /* In bytes beyond a last-level cache of 32 MB: written past it. Enough for 64 threads. */
    {LAST, 12000, 500, 1, {0x4a5e66c44cd3dc7a, 0x75c3601faf965ff5, 0x71647e378b76061a, 0xa1090a92cbed3609}},
    {FIRST, 120, 64, 784, {0x26e3c94f97b6f847, 0xeecb374576878ae4, 0xa45d1762aca62881, 0x547779ce6edb33f3}},
};

/* The same with NaN, infinities, the largest and smallest numbers and signed zeros among the values. */
static const struct row hashes_of_special_values[] = {
    {LAST, 100, 90, 1, {0xff3f664b61018b56, 0x42d6c2c940664bed, 0x533021e29d167f7e, 0xfa8e84617f8657bb}},
    {LAST, 300, 9, 1, {0x06815b9da2d881f9, 0xd5fd49d575717eba, 0xf0021f76e0e29e96, 0xb16532413b493f34}},
    {LAST, 3000, 90, 1, {0x254b25a49a57c955, 0xb36f5b4c11d693b4, 0x87476ddbaff223b1, 0xaf37ca7e0b207122}},
    {LAST, 5, 90, 49, {0x236c52c9313cfbb3, 0x4119ddd117893784, 0xa6ee398331b5b720, 0x41de72cd9eaed611}},
    {FIRST, 5, 90, 49, {0x99f69149e5e51da6, 0xfbead01d08b759e4, 0xba6b196a25f24371, 0xcbe39719e1eaed41}},
    {FIRST, 70, 90, 1, {0x2ab8842e0f9f9cca, 0xf2b753f9bf6f44ba, 0xf07ef938c71673b5, 0x34cf0cb1d0eb113a}},
    {FIRST, 3, 45, 200, {0xdc8a9ef49be51f34, 0xaed111a82c48a17c, 0x185a51bd4041f65f, 0xe35f80d55c3da50c}},
    {FIRST, 2, 9, 5000, {0x15dd879dae0ce95b, 0x68d4b5940826796d, 0x32999964df7fd5ac, 0x9185a6c490912358}},
};

/* A batch in three parts: the serialised sums, y, mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes_of_parts[] = {
    {LAST, 1000, 3, 1, {0xf973879e577a28c4, 0x38a228e6c9c6814d, 0x1fa0a99633ca557e, 0x2ab488f949f105bf}},
    {LAST, 1000, 100, 1, {0x0268d03ee5255e8d, 0xee71da5c566ac35a, 0x5b1691520ba98f83, 0x31d09685e2488b9b}},
    {LAST, 7, 20, 500, {0x3467ecfaeef166de, 0x7947000ddc49da4b, 0x5d1c5effb8d9cf06, 0x661f31408b08ca8e}},
    {LAST, 3000, 200, 1, {0xe005b64e960d5c0a, 0x80995c67907a57f4, 0x501f3fd1be84b908, 0xae268b4db066bd11}},
    {FIRST, 100, 5, 49, {0x580310956781d1db, 0x6cb3aa493f0b1f5f, 0x550294052e5819be, 0x2fd383bf42c97801}},
    {FIRST, 1000, 7, 1, {0xa81369b8233f53a4, 0x14ff42b76b81afbe, 0x97dbad645741bdbd, 0x7bd2a5690da08fea}},
    {FIRST, 5, 3, 5000, {0xfbb67016181b86ea, 0x84ee6be157150463, 0x6c18d7702c8b486b, 0x439b78968d1ac279}},
    {FIRST, 150, 80, 49, {0x983f2f3a9ffad074, 0x4653d52acd8de0f6, 0xe2d66b4c8ad45a4b, 0x87c8fc4eff272db1}},
};

/* variant_hash(set, true): every tail of a vector, strides, in place. */
static const uint64_t hashes_of_everything[VARIANT_SETS] = {
    [FLOATS_CHANNELS_LAST] = 0xa0442ac43e8f36fd,
    [SIXTEEN_CHANNELS_LAST] = 0x04d7e79827a680b7,
    [ALL_CHANNELS_FIRST] = 0x46ed5fadbce05388,
};
