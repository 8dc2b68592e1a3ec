//! The listeners of a reactor: accepting, and standing back when descriptors have run out.

use std::cmp::Reverse;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use farcall_core::limits::ACCEPT_BACKOFF;
use farcall_core::transport::{Listener, Readiness};
use rustix::event::epoll;

use super::{KINDS, LISTENER, Loop};
use crate::wait::errands::{Arrivals, Key, waker};
use crate::wait::now;

/// Links accepted before others get their turn.
const ACCEPTS: usize = 16;

/// Places in the table of timers from here on belong to doors.
pub(super) const DOOR_TIMERS: usize = 1 << 32;

/// A listener, and who takes its links.
pub(super) struct Door {
    pub(super) listener: Box<dyn Listener>,
    pub(super) arrivals: Arc<dyn Arrivals>,
    ticket: Option<usize>,
    pause: Duration,
}

impl Loop {
    pub(super) fn listen(&mut self, listener: Box<dyn Listener>, arrivals: Arc<dyn Arrivals>) {
        let entry = self.doors.vacant_entry();
        let at = entry.key();
        let readiness = listener.readiness();
        let ticket = match &readiness {
            Readiness::Event(event) => Some(event.subscribe(waker(&self.shared, Key::Listener(at)))),
            Readiness::Fd { .. } | Readiness::Bell(_) => None,
        };
        entry.insert(Door { listener, arrivals, ticket, pause: ACCEPT_BACKOFF.0 });
        self.watch_door(at);
        self.accept(at);
    }

    fn watch_door(&self, at: usize) {
        let readiness = self.doors.get(at).map(|door| door.listener.readiness());
        if let Some(Readiness::Fd { read, .. } | Readiness::Bell(read)) = readiness {
            let _ = self.add(read.as_fd(), at as u64 * KINDS + LISTENER, epoll::EventFlags::IN);
        }
    }

    fn unwatch_door(&self, at: usize) {
        let readiness = self.doors.get(at).map(|door| door.listener.readiness());
        if let Some(Readiness::Fd { read, .. } | Readiness::Bell(read)) = readiness {
            let _ = epoll::delete(&self.epoll, read.as_fd());
        }
    }

    pub(super) fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS {
            let Some(door) = self.doors.get_mut(at) else { return };
            match door.listener.accept() {
                Ok(link) => {
                    let (arrivals, single) = (Arc::clone(&door.arrivals), door.listener.is_single());
                    if door.pause != ACCEPT_BACKOFF.0 {
                        door.pause = ACCEPT_BACKOFF.0;
                        self.watch_door(at);
                    }
                    arrivals.arrived(link);
                    if single {
                        return self.close_door(at);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if door.pause != ACCEPT_BACKOFF.0 {
                        door.pause = ACCEPT_BACKOFF.0;
                        self.watch_door(at);
                    }
                    return;
                }
                Err(_) => return self.back_off(at),
            }
        }
        self.woken.push(Key::Listener(at));
    }

    /// Out of descriptors or memory: the door is not looked at for a while, so that the loop does not spin.
    fn back_off(&mut self, at: usize) {
        self.unwatch_door(at);
        let Some(door) = self.doors.get_mut(at) else { return };
        let until = now() + door.pause;
        door.pause = (door.pause * 2).min(ACCEPT_BACKOFF.1);
        self.timers.push(Reverse((until, (at + DOOR_TIMERS) as u64)));
        let _ = self.alarm.set(until);
    }

    pub(super) fn close_door(&mut self, at: usize) {
        self.unwatch_door(at);
        let Some(door) = self.doors.try_remove(at) else { return };
        if let (Readiness::Event(event), Some(ticket)) = (door.listener.readiness(), door.ticket) {
            event.unsubscribe(ticket);
        }
        drop(door.listener);
        door.arrivals.closed();
    }
}
