/* Hashes of what the three calls write. Every machine, compiler, instruction set and number of threads must find these;
 * no command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. */
static const struct {
    bnorm_layout layout;
    size_t batch, features, spatial;
    uint64_t of[TYPES]; /* f32, f64, bf16, f16 */
} hashes[] = {
    {BNORM_CHANNELS_LAST, 200, 3, 1, {0x66f6e2d96a7a9deb, 0xf6a55b9c20a18317, 0xc1334146179aae5b, 0x5da89a952498248f}},
    {BNORM_CHANNELS_LAST, 32, 128, 1, {0x1c45f0f2f872d3c1, 0xe836487ca8b6c5c5, 0x178cf7b9de4aceac, 0x5ea97d1a1c3606a7}},
    {BNORM_CHANNELS_LAST, 1000, 33, 1, {0x83ecbcfdf8e35211, 0x5ceb6a18297bc0b6, 0x4ef8564422309bc9, 0x9e17a0f1feb6cb72}},
    {BNORM_CHANNELS_LAST, 70, 1025, 1, {0xd89a5752f2ce525d, 0x31b8ebfb7cc4305e, 0x937188902374ccd1, 0x8bcda6fe65f9664b}},
    {BNORM_CHANNELS_LAST, 1300, 100, 1, {0x62b942d69e44a833, 0xc86a924c1005ee12, 0x3ed002ce2605678f, 0x652d4620fa24be7b}},
    {BNORM_CHANNELS_LAST, 5, 66, 196, {0x01905c52459b21cc, 0xb5e1db822329fd8e, 0xf62addda9dd02164, 0x5765e405befb25be}},
    {BNORM_CHANNELS_LAST, 3, 7, 500, {0xa60e1291629bd80c, 0xad97769b921af934, 0x6e62796c1eadd23c, 0x02bb421b940eb279}},
    {BNORM_CHANNELS_LAST, 9000, 1, 1, {0xc34b04898f962856, 0x5363793ab7b0526b, 0x0ff27bdec1070d13, 0x1c57ee9d4e6c829f}},
    {BNORM_CHANNELS_FIRST, 32, 128, 1, {0xae5fe15ee7e8672b, 0xf916384a2616cc9e, 0x1bd2c924db5e2134, 0xdc3e245343f763a7}},
    {BNORM_CHANNELS_FIRST, 50, 3, 7, {0xb971273ef5f75e7e, 0x687a523a5319d28d, 0xec56d7a2863d6b8f, 0xf10e9fcec22c1810}},
    {BNORM_CHANNELS_FIRST, 130, 65, 16, {0x0942cf3ab920dd3f, 0x963204b9cd88e8f8, 0xac35b637d17f3656, 0xb6991a8f84e0aa47}},
    {BNORM_CHANNELS_FIRST, 50, 64, 49, {0x499607779e2f7f34, 0x6fd4651db90da327, 0x71c70bfeb43f3f42, 0x0730f1ee0e3be2f5}},
    {BNORM_CHANNELS_FIRST, 9, 17, 63, {0xc9d46c15096e896e, 0xed43da84bcf22b2f, 0x40625b37d4ca4b99, 0xa4502f2d9978eb17}},
    {BNORM_CHANNELS_FIRST, 9, 5, 64, {0x51414f92ab3704d0, 0xbc8af5d74d15c856, 0xecb328380eb5400b, 0x87e89641c075d279}},
    {BNORM_CHANNELS_FIRST, 9, 5, 65, {0x954424c72106743b, 0xeaa8d6933602327a, 0x53640fbadc493129, 0xa2135f56c2ae75d1}},
    {BNORM_CHANNELS_FIRST, 5, 66, 196, {0x8347e4ef1c251988, 0x3f1d7dcef4f1a74a, 0xcdb953207c9115e0, 0x1eb169fd60fdbd2a}},
    {BNORM_CHANNELS_FIRST, 3, 7, 500, {0xbe726849b4dbcfb7, 0x0f2f4191ed44f52e, 0x4fd1fcbcb12ad895, 0x7bd8e06d434b99c7}},
    {BNORM_CHANNELS_FIRST, 3, 2, 4095, {0x34f3311b8773f2dc, 0x6244168f39abaf04, 0x701d95b8262c3aec, 0x310639c4fb0db559}},
    {BNORM_CHANNELS_FIRST, 3, 3, 4096, {0x08f0343b2b3dbebb, 0xef8b7c86db406e3f, 0x2ebc0c5485666c08, 0xc4e29e55f21b6f75}},
    {BNORM_CHANNELS_FIRST, 2, 3, 4097, {0x7bc0cf25546a2fc8, 0xdbe7a898a1970806, 0xc56598d86c1c3043, 0xa24710175fd9d6d3}},
    {BNORM_CHANNELS_FIRST, 1, 3, 12544, {0x23753e617c5453e4, 0xc70d461d645136e6, 0x424f0186b0baed6b, 0x794e03629c466cdb}},
};

/* variant_hash(set, true): every tail of a vector, strides, in place. */
static const uint64_t hashes_of_everything[VARIANT_SETS] = {
    [FLOATS_CHANNELS_LAST] = 0x6981bdbf265e99eb,
    [SIXTEEN_CHANNELS_LAST] = 0xb9b2dbcacce85757,
    [ALL_CHANNELS_FIRST] = 0x14e3e136bc7a4f74};
