//! Threads that take only what nobody else needs.

/// Lets this thread have the processor and the disk only when no other wants them, as far as the kernel can do that.
pub fn work_in_background() {
    // ioprio_set(2): who = this thread, the class "idle".
    const WHO_THREAD: libc::c_int = 1;
    const CLASS_IDLE: libc::c_int = 3 << 13;
    // SAFETY: both calls take numbers only and touch no memory. That they can fail does no harm.
    unsafe {
        let this = libc::syscall(libc::SYS_gettid) as libc::id_t;
        libc::setpriority(libc::PRIO_PROCESS as _, this, 19);
        libc::syscall(libc::SYS_ioprio_set, WHO_THREAD, 0, CLASS_IDLE);
    }
}
