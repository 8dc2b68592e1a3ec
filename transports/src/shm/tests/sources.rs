//! Memory of each kind: what is made is taken, what is planted or false is refused.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use farcall_core::wire::rendezvous::MemoryKind;
use farcall_core::{Code, Trust};
use rustix::fs::Mode;
use rustix::shm;

use crate::mark::Mark;
use crate::ring::Layout;
use crate::shm::source::{Made, Source, adopt, allows};
use crate::sys::segment;

const KINDS: [MemoryKind; 4] = [MemoryKind::Memfd, MemoryKind::Posix, MemoryKind::SystemV, MemoryKind::File];

fn source(kind: MemoryKind) -> Source {
    Source { kind, mark: Mark::fresh().unwrap(), directory: std::env::temp_dir() }
}

fn layout() -> Layout {
    Layout::new(128 * 1024).unwrap()
}

fn refused(kind: MemoryKind, fd: Option<&OwnedFd>, segment: u32, words: &str) {
    let error = adopt(kind, fd, segment, layout()).unwrap_err();
    assert_eq!(error.code(), Code::ProtocolViolation);
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn what_is_made_is_taken_and_leaves_no_name() {
    for kind in KINDS {
        let source = source(kind);
        let Made { fd, segment, memory } = source.make(layout()).unwrap();
        let taken = adopt(kind, fd.as_ref(), segment, layout()).unwrap();
        assert!(shm::unlink(source.mark.name()).is_err(), "{kind:?}");
        assert!(segment::find(source.mark.key()).is_err(), "{kind:?}");
        drop((memory, taken));
        assert!(kind != MemoryKind::SystemV || segment::status(segment.cast_signed()).is_err());
    }
}

#[test]
fn what_is_planted_under_our_name_is_refused() {
    let planted = source(MemoryKind::Posix);
    let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
    shm::open(planted.mark.name(), flags, Mode::RUSR).unwrap();
    let error = planted.make(layout()).err().unwrap();
    assert!(error.to_string().contains("planted"), "{error}");
    shm::unlink(planted.mark.name()).unwrap();
    let planted = source(MemoryKind::SystemV);
    let id = segment::create(planted.mark.key(), 4096).unwrap();
    let error = planted.make(layout()).err().unwrap();
    assert!(error.to_string().contains("planted"), "{error}");
    segment::remove(id).unwrap();
}

#[test]
fn a_false_file_is_refused() {
    let size = layout().size() as u64;
    let named = tempfile::NamedTempFile::new().unwrap();
    named.as_file().set_len(size).unwrap();
    let file: OwnedFd = named.reopen().unwrap().into();
    refused(MemoryKind::File, Some(&file), 0, "has a name");
    let unnamed = |len: u64| -> OwnedFd {
        let file = tempfile::tempfile().unwrap();
        file.set_len(len).unwrap();
        file.into()
    };
    for len in [0, size - 1, size + 1] {
        refused(MemoryKind::File, Some(&unnamed(len)), 0, "not the size");
        refused(MemoryKind::Posix, Some(&unnamed(len)), 0, "not the size");
    }
    let whole = unnamed(size);
    let path = format!("/proc/self/fd/{}", whole.as_raw_fd());
    let read_only: OwnedFd = File::open(path).unwrap().into();
    refused(MemoryKind::File, Some(&read_only), 0, "cannot be written");
    refused(MemoryKind::File, Some(&std::io::pipe().unwrap().0.into()), 0, "no file");
    refused(MemoryKind::File, None, 0, "not what was granted");
    // The pages that were missing are there now.
    let sparse = unnamed(size);
    let _taken = adopt(MemoryKind::File, Some(&sparse), 0, layout()).unwrap();
    assert!(rustix::fs::fstat(&sparse).unwrap().st_blocks as u64 * 512 >= size);
}

#[test]
fn a_false_segment_is_refused() {
    let mark = Mark::fresh().unwrap();
    let id = segment::create(mark.key(), layout().size()).unwrap();
    refused(MemoryKind::SystemV, None, id.cast_unsigned(), "outlive");
    segment::remove(id).unwrap();
    refused(MemoryKind::SystemV, None, id.cast_unsigned(), "no such segment");
    let id = segment::create(mark.key(), 4096).unwrap();
    refused(MemoryKind::SystemV, None, id.cast_unsigned(), "not the size");
    segment::remove(id).unwrap();
}

#[test]
fn each_kind_has_its_most_careful_trust() {
    let most = |kind| {
        let levels = [Trust::Trusted, Trust::SameUser, Trust::Hostile];
        levels.into_iter().filter(|trust| allows(kind, *trust).is_ok()).max()
    };
    let levels = [Trust::Hostile, Trust::Trusted, Trust::SameUser, Trust::Trusted];
    assert_eq!(KINDS.map(most), levels.map(Some));
}

#[test]
fn a_file_system_without_unnamed_files_is_named_with_the_remedy() {
    let nowhere = Source { directory: "/proc".into(), ..source(MemoryKind::File) };
    let error = nowhere.make(layout()).err().unwrap();
    assert!(error.to_string().contains("shm:"), "{error}");
}
