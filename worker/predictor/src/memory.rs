//! Giving memory back to the system. The programs that predict allocate with mimalloc, which keeps freed pages for a while, and
//! those that another thread has freed until something else is allocated.

/// Gives back what has been freed.
pub(crate) fn give_back() {
    // SAFETY: it takes no pointers, may be called by any thread at any time, and frees nothing that is in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}
