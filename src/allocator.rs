//! What the allocator keeps after a crowd has gone.
//!
//! glibc returns freed memory from the top of its heap alone: one connection that stays above thousands that have ended
//! keeps all of their memory resident, and a pod near its limit for the rest of its life. The allocators that return
//! pages by themselves do so when their threads next allocate, which idle ones do not; they were tried, and kept more.

/// Returns the memory that is free, wherever it lies, to the system; elsewhere than with glibc, does nothing.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe form")]
pub fn trim() {
    // SAFETY: it takes no pointer, and locks each arena while it looks at it (malloc_trim(3)).
    unsafe { libc::malloc_trim(0) };
}

/// Does nothing: there is no such call.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn trim() {}
