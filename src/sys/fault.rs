//! What happens when a file is cut short while it is mapped: reading the map finds zeros, and the map is known to be of no
//! use any more. Without this the process would end (SIGBUS).

use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Addresses of one map. Regions are never freed, only used again, so that a signal handler can look through them at any
/// time; there are as many as there were maps at a time.
#[derive(Debug)]
struct Region {
    /// 0 if it is not in use.
    start: AtomicUsize,
    end: AtomicUsize,
    has_faulted: AtomicBool,
    next: AtomicPtr<Region>,
}

/// All regions, linked by `next`.
static REGIONS: AtomicPtr<Region> = AtomicPtr::new(ptr::null_mut());
/// Those not in use.
static UNUSED: Mutex<Vec<&'static Region>> = Mutex::new(Vec::new());

/// A map that is looked after for as long as this lives; it must be dropped before the map is.
#[derive(Debug)]
pub(super) struct Watched(&'static Region);

impl Watched {
    /// Looks after the bytes at `addresses`, which are those of a map of a file.
    pub fn new(addresses: Range<usize>) -> Watched {
        let unused = UNUSED.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let region = unused.unwrap_or_else(add_region);
        region.has_faulted.store(false, Ordering::Relaxed);
        region.end.store(addresses.end, Ordering::SeqCst);
        region.start.store(addresses.start, Ordering::SeqCst);
        Watched(region)
    }

    /// Whether bytes were read that the file did not have any more.
    pub fn has_faulted(&self) -> bool {
        self.0.has_faulted.load(Ordering::Acquire)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.start.store(0, Ordering::SeqCst);
        UNUSED.lock().unwrap_or_else(PoisonError::into_inner).push(self.0);
    }
}

fn add_region() -> &'static Region {
    let region: &'static Region = Box::leak(Box::new(Region {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        has_faulted: AtomicBool::new(false),
        next: AtomicPtr::new(ptr::null_mut()),
    }));
    let mut first = REGIONS.load(Ordering::Acquire);
    loop {
        region.next.store(first, Ordering::Relaxed);
        let link = ptr::from_ref(region).cast_mut();
        match REGIONS.compare_exchange(first, link, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return region,
            Err(other) => first = other,
        }
    }
}

/// From now on maps survive that their files are cut short. To be called when whoever else handles SIGBUS has set that up:
/// the coroutine runtime does so once, with its first coroutine, for stacks that overflow, which on Linux is SIGSEGV.
pub fn survive_truncation() {
    // SAFETY: `action` is a whole, zeroed sigaction with the fields set that matter; the handler has the signature that
    // SA_SIGINFO asks for and does nothing that a signal handler must not (see there).
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_bus_error as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
    }
}

/// Puts zeros in the place of what cannot be read, if that lies in a map; else lets the process end as it would have.
extern "C" fn on_bus_error(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO a valid siginfo_t; of SIGBUS it holds an address. Errno belongs to
    // this thread, and is put back for what was interrupted.
    let (address, errno) = unsafe { ((*info).si_addr() as usize, *libc::__errno_location()) };
    if !replace_by_zeros(address) {
        // SAFETY: restoring the default is async-signal-safe; the instruction is tried again and ends the process.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Maps zeros from the page of `address` to the end of the region it lies in. Returns whether there is one. It only reads
/// atomics and makes one system call.
fn replace_by_zeros(address: usize) -> bool {
    let mut link = REGIONS.load(Ordering::Acquire);
    // SAFETY: regions are leaked and linked only once they are complete, so each link is null or valid for ever.
    while let Some(region) = unsafe { link.as_ref() } {
        link = region.next.load(Ordering::Acquire);
        let start = region.start.load(Ordering::SeqCst);
        let end = region.end.load(Ordering::SeqCst);
        // Read again: a region that is taken for another map meanwhile has no start at first.
        if start == 0 || !(start..end).contains(&address) || region.start.load(Ordering::SeqCst) != start {
            continue;
        }
        region.has_faulted.store(true, Ordering::Release);
        // Maps begin on pages, and this cannot be asked of anybody here; pages of more bytes are aligned to them, too.
        // SAFETY: sysconf(_SC_PAGESIZE) is a constant of the C library's, without locks.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let from = address - address % page;
        // SAFETY: from `from` to `end` is part of a map of ours, which is alive, since somebody is reading it; no part of it
        // is given back, it is only backed by zeros instead of a file that has no such bytes. Who reads it finds other
        // bytes than before, as after any change to the file, and `Webroot` is total on any bytes.
        let mapped = unsafe {
            libc::mmap(
                from as *mut libc::c_void,
                end - from,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        return mapped != libc::MAP_FAILED;
    }
    false
}
