# SPDX-License-Identifier: Apache-2.0
"""The table that `cache.pxd` describes. `SearchTrees.select` looks in it, `SearchTrees.backup` fills it."""

from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from cc_kernels.types cimport MAX_SIZE

cdef enum:
    VERSION = 0                         # words of a slot
    KEY = 1
    EVALUATION = 2

# What C11 calls atomic_load_explicit and so on; GCC and Clang have them for plain words as well. Words of an evaluation
# are atomic too, because a reader may look at them while they change: it then finds out, but must not tear a word.
cdef extern from *:
    """
    #define load_word(word) __atomic_load_n(word, __ATOMIC_RELAXED)
    #define load_first(word) __atomic_load_n(word, __ATOMIC_ACQUIRE)   /* nothing after it is read before it */
    #define store_word(word, value) __atomic_store_n(word, value, __ATOMIC_RELAXED)
    #define store_last(word, value) __atomic_store_n(word, value, __ATOMIC_RELEASE)  /* all before it is written */
    #define add_to_word(word, value) __atomic_fetch_add(word, value, __ATOMIC_RELAXED)
    #define keep_reads_above() __atomic_thread_fence(__ATOMIC_ACQUIRE)
    #define keep_writes_below() __atomic_thread_fence(__ATOMIC_RELEASE)
    #define replace_word(word, expected, value) \\
        __atomic_compare_exchange_n(word, expected, value, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
    """
    uint64_t load_word(const uint64_t* word) noexcept nogil
    uint64_t load_first(const uint64_t* word) noexcept nogil
    void store_word(uint64_t* word, uint64_t value) noexcept nogil
    void store_last(uint64_t* word, uint64_t value) noexcept nogil
    void add_to_word(uint64_t* word, uint64_t value) noexcept nogil
    void keep_reads_above() noexcept nogil
    void keep_writes_below() noexcept nogil
    bint replace_word(uint64_t* word, uint64_t* expected, uint64_t value) noexcept nogil


cdef inline uint64_t slot_words(const CacheTable* table) noexcept nogil:
    return EVALUATION + table.num_words + table.ownership_words


cdef inline uint64_t* slot_of(const CacheTable* table, uint64_t key) noexcept nogil:
    return table.slots + (key % table.capacity) * slot_words(table)


cdef bint cache_find(const CacheTable* table, uint64_t key, Evaluation* found) noexcept nogil:
    """Whether the table holds this key's evaluation; if so, copies it."""
    cdef const uint64_t* slot = slot_of(table, key)
    cdef uint64_t version = load_first(&slot[VERSION]), word
    cdef int i
    if version == 0 or version & 1 or load_word(&slot[KEY]) != key:
        return False
    for i in range(table.num_words):
        word = load_word(&slot[EVALUATION + i])
        memcpy(<char*>found + 8 * i, &word, 8)
    for i in range(table.ownership_words):
        word = load_word(&slot[EVALUATION + table.num_words + i])
        memcpy(&found.ownership[8 * i], &word, 8)
    keep_reads_above()
    return load_word(&slot[VERSION]) == version


cdef void cache_store(CacheTable* table, uint64_t key, const float* policy, float value, float score,
                      const int8_t* ownership) noexcept nogil:
    """Remembers an evaluation, unless another thread is writing to the same slot.

    `ownership` has whole words, the bytes beyond the points being of no meaning; not read if the table holds none.
    """
    cdef Evaluation given
    cdef uint64_t* slot = slot_of(table, key)
    cdef uint64_t version = load_word(&slot[VERSION]), word
    cdef int i
    if version & 1 or not replace_word(&slot[VERSION], &version, version + 1):
        return
    given.value = value
    given.score = score
    memcpy(given.policy, policy, table.num_moves * sizeof(float))
    if table.num_moves & 1:
        given.policy[table.num_moves] = 0   # the last word is half used
    keep_writes_below()
    store_word(&slot[KEY], key)
    for i in range(table.num_words):
        memcpy(&word, <const char*>&given + 8 * i, 8)
        store_word(&slot[EVALUATION + i], word)
    for i in range(table.ownership_words):
        memcpy(&word, &ownership[8 * i], 8)
        store_word(&slot[EVALUATION + table.num_words + i], word)
    store_last(&slot[VERSION], version + 2)


cdef void cache_count(CacheTable* table, int hits, int misses) noexcept nogil:
    """Adds to the counts of what was found and what was not."""
    add_to_word(&table.hits, hits)
    add_to_word(&table.misses, misses)


cdef class EvaluationCache:
    """Evaluations of one network on one board size, by position. Any number of threads may search with it at once.

    Positions that are images of each other share an evaluation. A hit has the bits that the evaluator would give, so
    that a search finds the same with and without a cache.

    Args:
        board_size: N of the positions.
        capacity: how many evaluations are remembered; memory is taken as they come.
        ownership: whether they hold who owns which point, for searches that keep it, and for no others.

    Raises:
        ValueError: a board size that does not exist, or a capacity below 1.
        MemoryError: no room for so many.
    """

    def __cinit__(self, int board_size, long long capacity, bint ownership=False):
        if not 2 <= board_size <= MAX_SIZE:
            raise ValueError(f"board_size must be in 2..{MAX_SIZE}, got {board_size}")
        if not 1 <= capacity <= 1 << 40:
            raise ValueError(f"capacity must be in 1..2**40, got {capacity}")
        self.board_size = board_size
        self.ownership = ownership
        self.table.num_moves = board_size * board_size + 1
        self.table.num_words = (2 + self.table.num_moves + 1) // 2
        self.table.ownership_words = (board_size * board_size + 7) // 8 if ownership else 0
        self.table.capacity = capacity
        # calloc takes pages of zeros, which cost no memory until they are written to.
        self.table.slots = <uint64_t*>calloc(capacity, slot_words(&self.table) * sizeof(uint64_t))
        if self.table.slots == NULL:
            raise MemoryError(f"no memory for {capacity} evaluations")

    def __dealloc__(self):
        free(self.table.slots)

    @property
    def capacity(self):
        """How many evaluations are remembered."""
        return self.table.capacity

    @property
    def num_bytes(self):
        """The most bytes that it can come to use."""
        return self.table.capacity * slot_words(&self.table) * sizeof(uint64_t)

    @property
    def hits(self):
        """Positions of searches that were found."""
        return load_word(&self.table.hits)

    @property
    def misses(self):
        """Positions of searches that were not found, and so were evaluated."""
        return load_word(&self.table.misses)
