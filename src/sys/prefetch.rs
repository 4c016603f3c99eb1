//! What the processor is told to bring nearer before it is needed.

/// The processor's unit of memory, in bytes.
const LINE: usize = 64;

/// Begins to bring `bytes` into the caches. Nothing is read, and nothing waits; it is for what is needed some hundred
/// instructions later. Where the processor cannot be told, nothing happens.
#[inline]
pub fn prefetch(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in bytes.chunks(LINE) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect that a program could notice, whatever the address; and this one is that of a slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, LINE);
}
