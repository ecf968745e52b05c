// The same kernels, the compiler's vectors lowered to AVX2 (compiled with -mavx2 -mfma -mf16c).
#include "vector_portable.h"
#include "cpu_kernels.h"
const pkm::Level pkm::kAvx2 = pkm::level("avx2");
