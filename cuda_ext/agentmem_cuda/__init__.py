"""Product-key memory lookups as torch ops, with kernels for CPU and CUDA; depends on torch and nothing
else.
"""

from agentmem_cuda.native import Status, status, use_native
from agentmem_cuda.ops import MAX_TOP_K, pkm_address, pkm_bag

__all__ = ["MAX_TOP_K", "Status", "pkm_address", "pkm_bag", "status", "use_native"]
