//! Segments of System V shared memory (shmget(2), shmop(2), shmctl(2)), for which no safe crate has names.

use std::io;
use std::ptr::NonNull;

use rustix::io::Errno;

/// In the mode of a segment that is marked to be destroyed (`SHM_DEST`).
const DOOMED: u32 = 0o1000;

/// Whose segment it is, and how it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    /// Bytes, as they were asked for.
    pub(crate) size: usize,
    /// Who may do with it what it likes.
    pub(crate) uid: u32,
    /// Its permissions.
    pub(crate) mode: u32,
    /// It ends with its last user.
    pub(crate) is_doomed: bool,
    /// How often it is attached.
    pub(crate) attached: u64,
}

/// A new segment, all zero, open to this user only; its number.
///
/// # Errors
/// `EXIST` if the key is taken; `NOSPC` or `NOMEM` if there is no room.
pub(crate) fn create(key: i32, size: usize) -> rustix::io::Result<i32> {
    let flags = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;
    // SAFETY: only numbers are passed.
    check(unsafe { libc::shmget(key, size, flags) })
}

/// The number of the segment with this key.
///
/// # Errors
/// `NOENT` if there is none.
pub(crate) fn find(key: i32) -> rustix::io::Result<i32> {
    // SAFETY: only numbers are passed.
    check(unsafe { libc::shmget(key, 0, 0) })
}

/// Marks it to be destroyed once nobody has it attached; its key is free at once. On Linux it can still be attached.
///
/// # Errors
/// `INVAL` if there is none, `PERM` if it is another user's.
pub(crate) fn remove(id: i32) -> rustix::io::Result<()> {
    // SAFETY: this command takes no buffer.
    check(unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) }).map(drop)
}

/// What it is.
///
/// # Errors
/// `INVAL` or `IDRM` if there is none, `ACCESS` if it is not for this user.
pub(crate) fn status(id: i32) -> rustix::io::Result<Status> {
    // SAFETY: it is a struct of integers only, for which zero is a value.
    let mut found: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one such struct.
    check(unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut found) })?;
    let mode = u32::from(found.shm_perm.mode);
    Ok(Status {
        size: found.shm_segsz,
        uid: found.shm_perm.uid,
        mode: mode & 0o777,
        is_doomed: mode & DOOMED != 0,
        attached: found.shm_nattch,
    })
}

/// Maps it, at an address of the kernel's choice.
///
/// # Errors
/// `INVAL` or `IDRM` if there is none, `ACCESS` if it may not be written.
pub(crate) fn attach(id: i32) -> rustix::io::Result<NonNull<u8>> {
    // SAFETY: without an address the kernel chooses a range that nothing uses.
    let base = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    if base.addr() == usize::MAX {
        return Err(last());
    }
    NonNull::new(base.cast()).ok_or(Errno::NOMEM)
}

/// Takes the mapping away.
///
/// # Safety
/// `base` came from [`attach`], and nobody touches the memory from now on.
pub(crate) unsafe fn detach(base: NonNull<u8>) {
    // SAFETY: as promised to this function.
    let detached = unsafe { libc::shmdt(base.as_ptr().cast()) };
    debug_assert_eq!(detached, 0, "what was attached can be detached");
}

fn check(answer: libc::c_int) -> rustix::io::Result<libc::c_int> {
    if answer < 0 { Err(last()) } else { Ok(answer) }
}

fn last() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}
