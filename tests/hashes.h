/* Hashes of what the calls write. Every machine, compiler, instruction set and number of threads must find these; no
 * command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. Where one
 * differs hashes.c prints the row as found. Layout, batch, features, spatial; f32, f64, bf16, f16. A row's inputs
 * depend on its place: new ones come last. */

/* What the three calls write: y (training, inference), mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes[] = {
    {LAST, 200, 3, 1, {0x66f6e2d96a7a9deb, 0xf6a55b9c20a18317, 0xc1334146179aae5b, 0x5da89a952498248f}},
    {LAST, 32, 128, 1, {0x1c45f0f2f872d3c1, 0xe836487ca8b6c5c5, 0x178cf7b9de4aceac, 0x5ea97d1a1c3606a7}},
    {LAST, 1000, 33, 1, {0x83ecbcfdf8e35211, 0x5ceb6a18297bc0b6, 0x4ef8564422309bc9, 0x9e17a0f1feb6cb72}},
    {LAST, 70, 1025, 1, {0xd89a5752f2ce525d, 0x31b8ebfb7cc4305e, 0x937188902374ccd1, 0x8bcda6fe65f9664b}},
    {LAST, 1300, 100, 1, {0x62b942d69e44a833, 0xc86a924c1005ee12, 0x3ed002ce2605678f, 0x652d4620fa24be7b}},
    {LAST, 5, 66, 196, {0x01905c52459b21cc, 0xb5e1db822329fd8e, 0xf62addda9dd02164, 0x5765e405befb25be}},
    {LAST, 3, 7, 500, {0xa60e1291629bd80c, 0xad97769b921af934, 0x6e62796c1eadd23c, 0x02bb421b940eb279}},
    {LAST, 9000, 1, 1, {0xc34b04898f962856, 0x5363793ab7b0526b, 0x0ff27bdec1070d13, 0x1c57ee9d4e6c829f}},
    {FIRST, 32, 128, 1, {0xae5fe15ee7e8672b, 0xf916384a2616cc9e, 0x1bd2c924db5e2134, 0xdc3e245343f763a7}},
    {FIRST, 50, 3, 7, {0xb971273ef5f75e7e, 0x687a523a5319d28d, 0xec56d7a2863d6b8f, 0xf10e9fcec22c1810}},
    {FIRST, 130, 65, 16, {0x0942cf3ab920dd3f, 0x963204b9cd88e8f8, 0xac35b637d17f3656, 0xb6991a8f84e0aa47}},
    {FIRST, 50, 64, 49, {0x499607779e2f7f34, 0x6fd4651db90da327, 0x71c70bfeb43f3f42, 0x0730f1ee0e3be2f5}},
    {FIRST, 9, 17, 63, {0xc9d46c15096e896e, 0xed43da84bcf22b2f, 0x40625b37d4ca4b99, 0xa4502f2d9978eb17}},
    {FIRST, 9, 5, 64, {0x51414f92ab3704d0, 0xbc8af5d74d15c856, 0xecb328380eb5400b, 0x87e89641c075d279}},
    {FIRST, 9, 5, 65, {0x954424c72106743b, 0xeaa8d6933602327a, 0x53640fbadc493129, 0xa2135f56c2ae75d1}},
    {FIRST, 5, 66, 196, {0x8347e4ef1c251988, 0x3f1d7dcef4f1a74a, 0xcdb953207c9115e0, 0x1eb169fd60fdbd2a}},
    {FIRST, 3, 7, 500, {0xbe726849b4dbcfb7, 0x0f2f4191ed44f52e, 0x4fd1fcbcb12ad895, 0x7bd8e06d434b99c7}},
    {FIRST, 3, 2, 4095, {0x34f3311b8773f2dc, 0x6244168f39abaf04, 0x701d95b8262c3aec, 0x310639c4fb0db559}},
    {FIRST, 3, 3, 4096, {0x08f0343b2b3dbebb, 0xef8b7c86db406e3f, 0x2ebc0c5485666c08, 0xc4e29e55f21b6f75}},
    {FIRST, 2, 3, 4097, {0x7bc0cf25546a2fc8, 0xdbe7a898a1970806, 0xc56598d86c1c3043, 0xa24710175fd9d6d3}},
    {FIRST, 1, 3, 12544, {0x23753e617c5453e4, 0xc70d461d645136e6, 0x424f0186b0baed6b, 0x794e03629c466cdb}},
    /* Enough for several threads: rows, columns, images, channels, parts of an image to share out. */
    {LAST, 2000, 257, 1, {0x8178f3f5a8bbdfdb, 0xab32edec57447461, 0x90f8f5ccb1dc5ae6, 0xac6e143e8bdf6d0f}},
    {LAST, 70, 9001, 1, {0x6794762f980d7a05, 0x83c217b72c8e7313, 0xa7f1b8907935d53c, 0xda457bfeef4256ac}},
    {LAST, 200000, 3, 1, {0xf753150ce151eddd, 0xbc3d1b756e8f4829, 0x5aa1c0dde352d15d, 0x01f1037fc766882f}},
    {LAST, 200, 64, 49, {0x2fc26d687bbd976f, 0xd7f9f5f720732c15, 0xd1c7c3d8ebae473e, 0x58c4291b1a6208c7}},
    {LAST, 2, 40, 6400, {0xa9f8fee625310472, 0x810dc9a0397d489c, 0xbb0bf23e90baa2be, 0x4692ac68e706e59b}},
    {FIRST, 200, 64, 49, {0x98f573c3eb6a31f7, 0x7982349986caba2c, 0x041734ef1e74d7ca, 0xce3689e6f0a38598}},
    {FIRST, 1, 1, 600001, {0xf4cb9c36db8d1f70, 0xeee8a1d1bf85e324, 0xe38385a11ab0c77a, 0x9265bfa8ecc77216}},
    {FIRST, 30000, 3, 7, {0xdae0a357688cab1d, 0x945a53e3ff1c187e, 0x438ec91d436369e0, 0xa69c6a6fcb0708a8}},
    {FIRST, 3, 4, 50176, {0x2d287709c8d7792e, 0x362685319aa9c284, 0x8512e0a19e8f3cb2, 0x91519edc14355e7b}},
    /* In bytes beyond a last-level cache of 32 MB: written past it. Enough for 64 threads. */
    {LAST, 12000, 500, 1, {0x720637caf334acfd, 0x1c0d56bdae1c7ff5, 0xe0cbe50b49d5eeea, 0x6d7466b6652b4cd3}},
    {FIRST, 120, 64, 784, {0x0483c9eaee5aade7, 0xeda21cc11926a919, 0x888e7a7422a749ed, 0x5310ecaef1c568b8}},
};

/* The same with NaN, infinities, the largest and smallest numbers and signed zeros among the values. */
static const struct row hashes_of_special_values[] = {
    {LAST, 100, 90, 1, {0x900927c97a6c024f, 0x14b321a18922ad25, 0xe4608cf0e75513d0, 0x0ee65cd7f1594b7a}},
    {LAST, 300, 9, 1, {0x06815b9da2d881f9, 0x868ebdfa53c4590d, 0xf0021f76e0e29e96, 0xb16532413b493f34}},
    {LAST, 3000, 90, 1, {0xdc054c719711b008, 0xf69b744c40be86bd, 0x614db30147dde3ae, 0xa236f89b25f80b56}},
    {LAST, 5, 90, 49, {0x6a35823a4713df44, 0x6917c770e80c42a7, 0xc6b2e4627f3cfdba, 0x49f502c440672b0a}},
    {FIRST, 5, 90, 49, {0x3b31bba3986a7473, 0x30831dbf8aedacaf, 0x9dc753ea86ca8563, 0xcbf6db5377203065}},
    {FIRST, 70, 90, 1, {0x2ab8842e0f9f9cca, 0xdef15ada96e65c8d, 0x7f71151e1e8ee432, 0xd5a6c1fbb91b378d}},
    {FIRST, 3, 45, 200, {0xdc8a9ef49be51f34, 0xf220f3a561952d53, 0x185a51bd4041f65f, 0xe35f80d55c3da50c}},
    {FIRST, 2, 9, 5000, {0x74a84ec9998e21be, 0x03fe63002ad60e7f, 0xab629c773547f621, 0x9185a6c490912358}},
};

/* A batch in three parts: the serialised sums, y, mean, invstd, running statistics, dx, dgamma, dbeta. */
static const struct row hashes_of_parts[] = {
    {LAST, 1000, 3, 1, {0xc6d1bf9a14b10b00, 0xcf1462ed49618839, 0x130b2e4e87d9079a, 0xfa630b237cd36a06}},
    {LAST, 1000, 100, 1, {0x592ef34ea1d3a1a2, 0x708e330f97e53fbb, 0xf0a1aa77306fd29a, 0x85ddd31b1509acd2}},
    {LAST, 7, 20, 500, {0x32f19859fc46234e, 0x1895e062310e85a5, 0x59a5ffc8df00200c, 0x2bb6ab1ee8d2029d}},
    {LAST, 3000, 200, 1, {0x8b82209309e1ffaf, 0x993329396192366b, 0xa95a5951ba4d8809, 0x3b28fc99c6bbfc03}},
    {FIRST, 100, 5, 49, {0x53edc81d622ed9ae, 0x9c2f5d3d555e6eb2, 0x91e67aa48b34bd68, 0xa38b4166ccd19ede}},
    {FIRST, 1000, 7, 1, {0xd339c9444c519991, 0x1bd134a4b0ea5314, 0xa5edb6fbdb955333, 0x765dd4872cd6028f}},
    {FIRST, 5, 3, 5000, {0xce3a3f20f08a52f1, 0x2058b004893b2764, 0x44f86ee637bbd189, 0x9ef4469ee4edff1e}},
    {FIRST, 150, 80, 49, {0x5e8296bc25c56772, 0x45440ddc6613e885, 0x34d1bb7f9cfcae51, 0xdece4412edf254fb}},
};

/* variant_hash(set, true): every tail of a vector, strides, in place. */
static const uint64_t hashes_of_everything[VARIANT_SETS] = {
    [FLOATS_CHANNELS_LAST] = 0x6981bdbf265e99eb,
    [SIXTEEN_CHANNELS_LAST] = 0xb9b2dbcacce85757,
    [ALL_CHANNELS_FIRST] = 0x14e3e136bc7a4f74,
};
