//! Whether this process is a forked child of the one that made something: a page that the kernel empties at a fork.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

use super::probe::is_disabled;

/// Bytes of the page; the kernel rounds up.
const PAGE: usize = 4096;

/// The process in which something was made. A child that was forked later is another one, until it calls exec(2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// What the page says in that process, or its number where there is no such page.
    mark: u32,
    page: Option<&'static AtomicU32>,
}

impl Origin {
    /// This process.
    pub(crate) fn here() -> Self {
        let Some(page) = page() else {
            return Origin { mark: std::process::id(), page: None };
        };
        let mark = match page.load(Ordering::Relaxed) {
            0 => mark(page),
            known => known,
        };
        Origin { mark, page: Some(page) }
    }

    /// Whether it was another process. One load, where the kernel empties pages.
    #[inline]
    pub(crate) fn is_elsewhere(&self) -> bool {
        match self.page {
            Some(page) => page.load(Ordering::Relaxed) != self.mark,
            None => std::process::id() != self.mark,
        }
    }
}

/// Gives this process a mark that none of its ancestors has: a child goes on counting where its parent stood.
fn mark(page: &AtomicU32) -> u32 {
    static MARKS: AtomicU32 = AtomicU32::new(0);
    let fresh = MARKS.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1);
    match page.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(first) => first,
    }
}

/// The page of this process and its descendants; `None` where the kernel has none to give.
fn page() -> Option<&'static AtomicU32> {
    static KNOWN: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
    *KNOWN.get_or_init(make)
}

fn make() -> Option<&'static AtomicU32> {
    if is_disabled("wipeonfork") {
        return None;
    }
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without an address the kernel chooses a range that nothing uses.
    let page = unsafe { mmap_anonymous(ptr::null_mut(), PAGE, access, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: the range is the one just mapped, of which nobody else knows; its bytes change in later children only.
    unsafe { madvise(page, PAGE, Advice::LinuxWipeOnFork) }.ok()?;
    // SAFETY: the range is aligned, all zero, never unmapped, and touched through this reference only.
    Some(unsafe { AtomicU32::from_ptr(page.cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_here_is_here() {
        let origin = Origin::here();
        assert!(!origin.is_elsewhere());
        assert_eq!(origin.mark, Origin::here().mark);
    }

    #[test]
    fn an_emptied_page_is_elsewhere_and_what_is_made_then_is_not() {
        let page: &'static AtomicU32 = Box::leak(Box::new(AtomicU32::new(0)));
        let before = Origin { mark: mark(page), page: Some(page) };
        assert!(!before.is_elsewhere());
        page.store(0, Ordering::Relaxed);
        assert!(before.is_elsewhere());
        let after = Origin { mark: mark(page), page: Some(page) };
        assert!(before.is_elsewhere() && !after.is_elsewhere());
    }
}
