//! Grants that are false: what a victim is made to map, or to wait on.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::SealFlags;

use crate::end::WORDS;
use crate::hosts::Act::Grant;
use crate::hosts::{Trap, trap};
use crate::rendezvous::{GRANT, RING, SEALS, bell, memory};

/// Bytes of the memory that belongs to an honest grant.
const BYTES: usize = WORDS + 2 * RING;

pub(crate) const TRAPS: &[Trap] = &[
    trap(
        "no descriptors, or too few",
        &["descriptors came with it where"],
        Grant(|grant, chance| {
            let fewer = chance.below(grant.descriptors.len());
            grant.descriptors.truncate(fewer);
        }),
    ),
    trap(
        "too many descriptors",
        &["descriptors came with it where", "more descriptors than belong"],
        Grant(|grant, chance| {
            let more = grant.descriptors.len() + 1 + chance.below(60);
            grant.descriptors.resize_with(more, bell);
        }),
    ),
    trap(
        "memory that is not sealed",
        &["not sealed"],
        Grant(|grant, chance| {
            let missing = chance.pick(&[SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL, SEALS]);
            grant.descriptors[0] = memory(BYTES, SEALS.difference(missing));
        }),
    ),
    trap(
        "memory that is too short or too long",
        &["bytes where"],
        Grant(|grant, chance| {
            let random = chance.below(BYTES);
            let bytes = chance.pick(&[0, 1, 4096, BYTES - 1, BYTES + 1, BYTES * 2, 1 << 40, random]);
            grant.descriptors[0] = memory(bytes, SEALS);
        }),
    ),
    trap(
        "memory that cannot be written",
        &["cannot be written"],
        Grant(|grant, _| {
            grant.descriptors[0] = memory(BYTES, SEALS | SealFlags::WRITE);
        }),
    ),
    trap(
        "something else than memory",
        &["not memory", "not a memfd", "cannot be sealed", "not sealed"],
        Grant(|grant, chance| {
            grant.descriptors[0] = chance.pick(STRANGE)();
        }),
    ),
    trap(
        "something else than a bell",
        &["a bell that it passes is none", "descriptors came with it"],
        Grant(|grant, chance| {
            let blocking = || eventfd(0, EventfdFlags::empty()).expect("an eventfd");
            let strange = chance.pick(&[chance.clone().pick(STRANGE), blocking]);
            match grant.descriptors.len() {
                1 => grant.descriptors.push(strange()),
                _ => grant.descriptors[1 + chance.below(2)] = strange(),
            }
        }),
    ),
    trap(
        "rings of a size that no ring has",
        &["no ring has the size", "more than was asked for", "were agreed"],
        Grant(|grant, chance| {
            let random = chance.number() as u32 | 1;
            let ring = chance.pick(&[
                0,
                1,
                4096,
                65_536,
                131_071,
                131_073,
                1 << 18,
                1 << 30,
                1 << 31,
                u32::MAX,
                random,
            ]);
            grant.set(12, &ring.to_le_bytes());
        }),
    ),
    trap(
        "an answer to another request",
        &["another request"],
        Grant(|grant, chance| {
            let at = 16 + chance.below(16);
            let byte = grant.bytes[at] ^ (1 << chance.below(8));
            grant.set(at, &[byte]);
        }),
    ),
    trap(
        "more trust than was asked for",
        &["trusts more"],
        Grant(|grant, _| {
            let less = grant.bytes[9] - 1;
            grant.set(9, &[less]);
        }),
    ),
    trap(
        "a kind of answer that nobody knows",
        &["not understood", "grants no memory"],
        Grant(|grant, chance| match chance.below(4) {
            0 => grant.set(8, &[chance.below(0x81) as u8]),
            1 => grant.set(10, &[5 + chance.below(251) as u8]),
            2 => grant.set(chance.pick(&[11, 52, 53, 54, 55]), &[1 + chance.below(255) as u8]),
            _ => grant.set(chance.below(8), &[0]),
        }),
    ),
    trap(
        "memory that whoever has it can cut short",
        &["can cut it short"],
        Grant(|grant, chance| {
            grant.set(10, &[chance.pick(&[2, 4])]);
            grant.descriptors[0] = tempfile::tempfile().expect("a file").into();
        }),
    ),
    trap(
        "a segment that is none, or not for this",
        &["there is no such segment", "descriptors came with it where"],
        Grant(|grant, chance| {
            grant.set(10, &[3]);
            grant.set(52, &(chance.number() as u32).to_le_bytes());
            grant.descriptors.remove(0);
        }),
    ),
    trap(
        "a stream where memory was asked for",
        &["grants no memory"],
        Grant(|grant, _| {
            grant.set(8, &[0x82]);
            grant.descriptors.clear();
        }),
    ),
    trap(
        "a text that is too long",
        &["its reason is too long"],
        Grant(|grant, chance| {
            grant.set(50, &(449 + chance.below(65_000) as u16).to_le_bytes());
        }),
    ),
    trap(
        "a text that does not come",
        &["without an answer"],
        Grant(|grant, chance| {
            grant.set(50, &(1 + chance.below(448) as u16).to_le_bytes());
        }),
    ),
    trap(
        "a refusal that would paint the terminal",
        &["\\u{1b}[2J\\nall is well"],
        Grant(|grant, _| {
            let words = b"\x1b[2J\nall is well";
            grant.set(8, &[0x83]);
            grant.set(50, &(words.len() as u16).to_le_bytes());
            grant.bytes.extend(words);
            grant.descriptors.clear();
        }),
    ),
    trap(
        "a grant that is cut",
        &["without an answer"],
        Grant(|grant, chance| {
            grant.bytes.truncate(1 + chance.below(GRANT - 1));
            grant.descriptors.clear();
        }),
    ),
    trap(
        "keys that are zero",
        &["broke the protocol"],
        Grant(|grant, _| {
            grant.set(32, &[0; 16]);
            grant.stays = true;
        }),
    ),
    trap(
        "bits of the answer are flipped",
        &[
            "refused",
            "not understood",
            "the server says",
            "without an answer",
            "bytes",
            "DeadlineExceeded",
            "hello",
            "bell",
        ],
        Grant(|grant, chance| {
            let at = chance.below(32);
            let byte = grant.bytes[at] ^ (1 << chance.below(8));
            grant.set(at, &[byte]);
        }),
    ),
];

/// Descriptors of other kinds.
const STRANGE: &[fn() -> OwnedFd] = &[
    || std::io::pipe().expect("a pipe").1.into(),
    || std::os::unix::net::UnixStream::pair().expect("sockets").0.into(),
    || tempfile::tempfile_in("/var/tmp").expect("a file").into(),
    || std::fs::File::open("/dev/null").expect("it is there").into(),
    || std::fs::File::open("/proc/self/maps").expect("it is there").into(),
    || memory(0, SealFlags::empty()),
];
