//! The memory of stacks, which is used again.
//!
//! # Invariants
//! - Below the lowest address of a stack is a guard, which nothing can access: an overflow ends the process with SIGSEGV.
//! - Stacks are kept per thread. Those of a thread that ends are left to the next one, as each hermetic run has its own thread.

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, OnceLock, PoisonError};

use corosensei::stack::valgrind::ValgrindStackRegistration;
use corosensei::stack::{Stack, StackPointer};

/// The size of a stack if RUST_MIN_STACK does not set it: that of threads of the standard library.
const SIZE: usize = 2 << 20;

/// The least size of a stack.
const SIZE_MIN: usize = 64 << 10;

/// The size of the guard: a multiple of all sizes of pages.
const GUARD: usize = 64 << 10;

/// How many stacks are kept: for a thread, and for threads that begin later.
const KEPT_MAX: usize = 16;

const PROT_NONE: c_int = 0;
const PROT_READ_WRITE: c_int = 3;
/// `MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK`.
const MAP_FLAGS: c_int = 0x2 | 0x20 | 0x4000 | 0x2_0000;

unsafe extern "C" {
    fn mmap(addr: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
    fn mprotect(addr: *mut c_void, len: usize, prot: c_int) -> c_int;
    fn munmap(addr: *mut c_void, len: usize) -> c_int;
}

/// The memory of a stack, and its guard.
pub(super) struct Memory {
    start: NonNull<c_void>,
    len: usize,
    /// Valgrind takes a switch to an unknown stack for a large local variable.
    registration: Option<ValgrindStackRegistration>,
}

// SAFETY: it owns its memory, and nothing is on the stack while no coroutine has it.
unsafe impl Send for Memory {}

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
}

/// Stacks of threads that have ended.
static LEFT: Mutex<Vec<Memory>> = Mutex::new(Vec::new());

/// The stacks that a thread keeps.
struct Kept(Vec<Memory>);

impl Drop for Kept {
    fn drop(&mut self) {
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        let most = KEPT_MAX.saturating_sub(left.len());
        left.extend(self.0.drain(..).take(most));
    }
}

impl Memory {
    /// Takes a stack that is kept, or allocates one.
    ///
    /// # Panics
    /// If there is no memory.
    pub(super) fn take() -> Self {
        let kept = KEPT.try_with(|kept| kept.borrow_mut().0.pop()).ok().flatten();
        kept.or_else(|| LEFT.lock().unwrap_or_else(PoisonError::into_inner).pop()).unwrap_or_else(|| {
            Self::allocate(size()).unwrap_or_else(|error| {
                panic!("cannot allocate a stack for a closure of `spawn_blocking`: {error}; let fewer of them wait at a time")
            })
        })
    }

    /// Keeps the stack for later closures.
    pub(super) fn give_back(self) {
        // A thread that is being torn down keeps nothing.
        let _ = KEPT.try_with(|kept| {
            let kept = &mut kept.borrow_mut().0;
            if kept.len() < KEPT_MAX {
                kept.push(self);
            }
        });
    }

    fn allocate(size: usize) -> io::Result<Self> {
        let len = size + GUARD;
        // SAFETY: it maps new memory.
        let start = unsafe { mmap(ptr::null_mut(), len, PROT_NONE, MAP_FLAGS, -1, 0) };
        let start = NonNull::new(start).filter(|start| start.as_ptr().addr() != usize::MAX);
        let start = start.ok_or_else(io::Error::last_os_error)?;
        let mut memory = Self { start, len, registration: None };
        // SAFETY: the range is within the new memory.
        let usable = unsafe { start.byte_add(GUARD) };
        // SAFETY: nothing else uses the memory.
        if unsafe { mprotect(usable.as_ptr(), size, PROT_READ_WRITE) } != 0 {
            return Err(io::Error::last_os_error());
        }
        memory.registration = Some(ValgrindStackRegistration::new(usable.as_ptr().cast(), size));
        Ok(memory)
    }
}

/// Returns the size of a stack, a multiple of all sizes of pages.
fn size() -> usize {
    static SET: OnceLock<usize> = OnceLock::new();
    *SET.get_or_init(|| {
        let set = std::env::var("RUST_MIN_STACK").ok().and_then(|size| size.parse().ok());
        // As the standard library does for its threads.
        set.unwrap_or(SIZE).clamp(SIZE_MIN, isize::MAX as usize / 2).next_multiple_of(GUARD)
    })
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.registration = None;
        // SAFETY: this is the memory that was mapped, and no coroutine uses it any more.
        let unmapped = unsafe { munmap(self.start.as_ptr(), self.len) };
        debug_assert_eq!(unmapped, 0, "the range was mapped");
    }
}

// SAFETY: the lower end is the guard, and the rest is larger than the least size.
unsafe impl Stack for Memory {
    fn base(&self) -> StackPointer {
        self.start.addr().checked_add(self.len).expect("mapped memory does not wrap around")
    }

    fn limit(&self) -> StackPointer {
        self.start.addr()
    }
}
