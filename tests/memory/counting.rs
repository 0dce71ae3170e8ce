//! A global allocator that counts, and [`Meter`], which tells what was allocated since it was started.
#![allow(unsafe_code, reason = "an allocator is unsafe by nature; it only hands on")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;

pub const KIB: usize = 1024;
pub const MIB: usize = 1024 * KIB;
pub const GIB: usize = 1024 * MIB;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static ALONE: Mutex<()> = Mutex::new(());

#[global_allocator]
static COUNTING: Counting = Counting;

struct Counting;

fn add(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    let current = CURRENT.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(current, Relaxed);
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it moves, both may be there.
        add(size);
        CURRENT.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Runs a test on virtual time while the other tests of this process wait: they would be counted too.
pub fn alone(test: impl Future<Output = ()>) {
    let _alone = ALONE.lock();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(test);
    drop(runtime);
}

/// Bytes and allocations since a moment.
pub struct Meter {
    start: usize,
    allocations: usize,
}

impl Meter {
    pub fn start() -> Self {
        let start = CURRENT.load(Relaxed);
        PEAK.store(start, Relaxed);
        Self { start, allocations: ALLOCATIONS.load(Relaxed) }
    }

    /// How often something was allocated, or grew.
    pub fn allocations(&self) -> usize {
        ALLOCATIONS.load(Relaxed) - self.allocations
    }

    /// The most that was allocated at one time, beyond what was at the start.
    pub fn peak(&self) -> usize {
        PEAK.load(Relaxed).saturating_sub(self.start)
    }

    /// What is allocated now, beyond what was at the start.
    pub fn current(&self) -> usize {
        CURRENT.load(Relaxed).saturating_sub(self.start)
    }
}
