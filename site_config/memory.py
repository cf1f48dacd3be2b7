"""How much free memory a process keeps for itself."""

import ctypes

# From <malloc.h> of the GNU C library.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE = 128 * 1024  # bytes; the library's own first choice, which grows with what is freed


def keep_little() -> None:
    """Let the C library give back what is freed, and the threads share what is free.

    Otherwise each thread that once did something big – an import is a task like another – keeps
    its share: 30 MB after a few files of 100 000 rows. Where the C library is another one, nothing
    happens. To be called before there are threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, LARGE)
