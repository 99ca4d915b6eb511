/* Hashes of what the three calls write. Every machine, compiler, instruction set and number of threads must find these;
 * no command writes this file. A change of a hash is a change of bits: it needs its reason in the commit. */
static const struct {
    size_t batch, features, spatial;
    uint64_t f32, f64;
} hashes[] = {
    {200, 3, 1, 0x66f6e2d96a7a9deb, 0xf6a55b9c20a18317},
    {32, 128, 1, 0x1c45f0f2f872d3c1, 0xe836487ca8b6c5c5},
    {1000, 33, 1, 0x83ecbcfdf8e35211, 0x5ceb6a18297bc0b6},
    {70, 1025, 1, 0xd89a5752f2ce525d, 0x31b8ebfb7cc4305e},
    {1300, 100, 1, 0x62b942d69e44a833, 0xc86a924c1005ee12},
    {5, 66, 196, 0x01905c52459b21cc, 0xb5e1db822329fd8e},
    {3, 7, 500, 0xa60e1291629bd80c, 0xad97769b921af934},
    {9000, 1, 1, 0xc34b04898f962856, 0x5363793ab7b0526b},
};

/* variant_hash(true): every tail of a vector, strides, in place. */
static const uint64_t hash_of_everything = 0x6981bdbf265e99eb;
