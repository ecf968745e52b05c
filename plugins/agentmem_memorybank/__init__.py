"""MemoryBank: what is recalled is strengthened, what is not fades along Ebbinghaus's curve."""

from agentmem_memorybank.memory import MemoryBankMemory

__all__ = ["MemoryBankMemory"]
