//! Bells that ring too often, not at all, or for ever; and descriptors that both sides hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, OFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_setfl, ftruncate};
use rustix::net::{Shutdown, shutdown};

use crate::end::{End, WORDS};
use crate::frames;
use crate::rendezvous::{bell, pass};
use crate::siege::LEFT;
use crate::visitors::Outcome::{Either, Ends, Lives};
use crate::visitors::{Attack, attack};

pub(crate) const ATTACKS: &[Attack] = &[
    attack("the bell rings without end", Either(&["for nothing"]), |end, _| {
        flood(end, |end| end.ring());
    }),
    attack("the bell rings for records that never come whole", Either(&["for nothing"]), |end, _| {
        let (stamp, check) = end.seal(end.written);
        flood(end, |end| {
            end.show((stamp, !check), 18, 0);
            end.region.store(end.mine().seen, end.region.load(end.theirs().sleep));
            end.ring()
        });
    }),
    attack("the bell is withheld", Lives, |end, chance| {
        await_sleep(end);
        let number = end.number();
        end.push(&frames::call(number, frames::ADD, &[1, 2]));
        if chance.hits(1, 2) {
            // It is told that its sleep was seen, and nobody rings.
            end.region.store(end.mine().seen, end.region.load(end.theirs().sleep));
        }
        end.ring();
        assert_eq!(end.hear().map(|verdict| verdict.call()), Some(number));
    }),
    attack("it says that it sleeps, in all numbers", Lives, |end, chance| {
        for _ in 0..50 {
            end.region.store(end.mine().sleep, chance.number() as u32);
            assert!(end.is_served());
        }
        end.region.store(end.mine().sleep, 0);
    }),
    attack("it has seen sleeps that never were", Lives, |end, chance| {
        for _ in 0..50 {
            let sleep = end.region.load(end.theirs().sleep);
            let near = sleep.wrapping_add(chance.below(8) as u32).wrapping_sub(3);
            end.region.store(
                end.mine().seen,
                chance.pick(&[near, sleep, sleep + 2, chance.clone().number() as u32]),
            );
            assert!(end.is_served());
        }
    }),
    attack("the bells are made to block", Lives, |end, _| {
        unblock(end);
        for _ in 0..20 {
            assert!(end.is_served());
        }
    }),
    attack("the victim's bell is filled", Either(&["for nothing"]), |end, _| {
        if let Some(bells) = &end.terms.bells {
            let _ = rustix::io::write(end.their_bell(bells), &(u64::MAX - 1).to_ne_bytes());
        }
        end.spill(&[1; 1 << 16]);
        end.ring();
        end.push(&frames::bare(frames::PING, 1));
    }),
    attack("its own bell is full", Lives, |end, chance| {
        if let Some(bells) = &end.terms.bells {
            let own = &bells[1];
            rustix::io::write(own, &(u64::MAX - 1).to_ne_bytes()).expect("it does not block");
        }
        for sleep in 0..20 {
            end.region.store(end.mine().sleep, sleep * 2 + 1 + chance.below(2) as u32);
            assert!(end.is_served());
        }
        end.region.store(end.mine().sleep, 0);
    }),
    attack("the victim's rings are read away", Lives, |end, _| {
        let Some(bells) = &end.terms.bells else { return };
        let stolen = end.their_bell(bells).try_clone().expect("a descriptor");
        while_doing(
            move || drop(rustix::io::read(&stolen, &mut [0; 8])),
            || {
                for _ in 0..20 {
                    let number = end.number();
                    end.push(&frames::call(number, frames::ADD, &[1, 2]));
                    let mut rung: Option<Instant> = None;
                    while end.look().is_none() {
                        assert!(!end.is_over(), "the victim has let go");
                        // A ring may be lost, and is then given again.
                        if rung.is_none_or(|rung| rung.elapsed() > Duration::from_millis(1)) {
                            end.ring();
                            rung = Some(Instant::now());
                        }
                    }
                    end.free();
                }
            },
        );
    }),
    attack("bytes stand in the socket", Lives, |end, chance| {
        let noise: Vec<u8> = (0..chance.below(500)).map(|_| chance.number() as u8).collect();
        end.spill(&noise);
    }),
    attack("descriptors are passed after the grant", Lives, |end, chance| {
        for _ in 0..chance.below(20) {
            pass(&end.terms.socket, &[1], &[bell(), bell()]);
        }
    }),
    attack("the socket is closed for one direction", Either(&[]), |end, _| {
        shutdown(&end.terms.socket, Shutdown::Read).expect("a socket");
        // What the victim would ring is lost; nobody here waits for it.
        let number = end.number();
        end.say(&frames::call(number, frames::ADD, &[1, 2]));
        while end.look().is_none() {
            std::thread::yield_now();
        }
    }),
    attack("it lets go of the socket and goes on writing", Ends(&LEFT), |end, chance| {
        shutdown(&end.terms.socket, Shutdown::Both).expect("a socket");
        for _ in 0..chance.below(100) {
            let number = end.number();
            end.lay(&frames::call(number, frames::ADD, &[1, 2]));
            end.show(end.seal(end.written), 18, 0);
            end.written += 1;
        }
        if let Some(bells) = &end.terms.bells {
            let _ = rustix::io::write(end.their_bell(bells), &1_u64.to_ne_bytes());
        }
    }),
    attack("the memory is to shrink, to grow, or to be sealed", Lives, |end, chance| {
        let memory = &end.terms.memory;
        let size = chance.pick(&[0, 1, 4096, 4096 + 131_072, 1 << 30]);
        assert!(ftruncate(memory, size).is_err());
        assert!(fallocate(memory, FallocateFlags::empty(), 1 << 20, 4096).is_err());
        assert!(fcntl_add_seals(memory, chance.pick(&[SealFlags::WRITE, SealFlags::FUTURE_WRITE])).is_err());
    }),
    attack("holes are punched into the memory", Either(&["freed room"]), |end, chance| {
        let page = 4096 * chance.below(end.region.bytes() / 4096) as u64;
        let (from, bytes) = chance.pick(&[(0, end.region.bytes() as u64), (0, 4096), (page, 4096)]);
        fallocate(&end.terms.memory, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, from, bytes)
            .expect("no seal forbids it");
        for _ in 0..4 {
            let number = end.number();
            end.push(&frames::call(number, frames::BLOB, &frames::number(50_000)));
            end.knock();
            while end.look().is_some() {}
            end.free();
        }
    }),
    attack("holes are punched while frames go through", Lives, |end, chance| {
        let memory = end.terms.memory.try_clone().expect("a descriptor");
        // Not into the words and the lines that are in use: what is read away there is the attacker's own.
        let free = (WORDS + end.terms.ring / 2) as u64;
        let bytes = 4096 * (1 + chance.below(8) as u64);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        while_doing(
            move || fallocate(&memory, flags, free, bytes).expect("no seal forbids it"),
            || (0..50).for_each(|_| assert!(end.is_served())),
        );
    }),
];

/// Rings until the victim has had enough, or lets the bell fill up and hears it no more.
pub(crate) fn flood(end: &End, ring: impl Fn(&End) -> bool) {
    while !end.is_over() && ring(end) {}
    // An eventfd counts without end: there the victim always has enough in the end.
    if end.terms.bells.is_some() {
        end.await_end();
    }
}

/// Waits until the victim sleeps.
pub(crate) fn await_sleep(end: &End) {
    while end.region.load(end.theirs().sleep).is_multiple_of(2) {
        assert!(!end.is_over(), "the victim has let go");
        std::thread::yield_now();
    }
}

/// Takes `O_NONBLOCK` off whatever the two sides share.
fn unblock(end: &End) {
    fcntl_setfl(&end.terms.socket, OFlags::empty()).expect("a socket");
    for bell in end.terms.bells.iter().flatten() {
        fcntl_setfl(bell, OFlags::empty()).expect("a bell");
    }
}

/// Does `act` again and again on another thread until `story` is told.
pub(crate) fn while_doing(mut act: impl FnMut() + Send, story: impl FnOnce()) {
    struct Told(Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let is_told = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let told = Told(Arc::clone(&is_told));
        scope.spawn(move || {
            while !is_told.load(Ordering::Relaxed) {
                act();
            }
        });
        story();
        drop(told);
    });
}
