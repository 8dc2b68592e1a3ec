//! The loop of a reactor's thread: epoll over bell, alarm, listeners and connections, and a small executor.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use farcall_core::Time;
use farcall_core::driver::{Attendance, Driver, Interest, Pumped, Task, Wants, Worked};
use farcall_core::transport::Readiness;
use rustix::event::epoll;
use slab::Slab;

use super::errands::{Errand, Key, Lifetime, Shared, waker};
use super::now;
use super::poll::Alarm;

mod doors;
mod lively;

use doors::{DOOR_TIMERS, Door};
use lively::Lively;

/// Events taken from the kernel at once.
const BATCH: usize = 64;

/// What an epoll event is about: the kind in the low bits, the place above.
const BELL: u64 = 0;
const ALARM: u64 = 1;
const LINK: u64 = 2;
const LIFE: u64 = 3;
const LISTENER: u64 = 4;
const KINDS: u64 = 8;

struct Connection {
    interest: Interest,
    /// Whether epoll has been told to watch for room to send; `None`: it has been told nothing.
    registered: Option<bool>,
    life: bool,
    ticket: Option<usize>,
    due: Time,
    /// Dropped after what holds descriptors.
    attendance: Attendance,
}

enum Run {
    Handler(Task),
    Future(Pin<Box<dyn Future<Output = ()> + Send>>),
}

struct Work {
    run: Option<Run>,
    waker: Waker,
}

/// See the module.
pub(super) struct Loop {
    shared: Arc<Shared>,
    lifetime: Lifetime,
    epoll: OwnedFd,
    alarm: Alarm,
    connections: Slab<Connection>,
    doors: Slab<Door>,
    works: Vec<Work>,
    idle_works: Vec<usize>,
    timers: BinaryHeap<Reverse<(Time, u64)>>,
    errands: VecDeque<Errand>,
    woken: Vec<Key>,
    lively: Lively,
    stopped: bool,
}

impl Loop {
    pub(super) fn new(shared: Arc<Shared>, lifetime: Lifetime) -> io::Result<Self> {
        let this = Loop {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            alarm: Alarm::new()?,
            connections: Slab::new(),
            doors: Slab::new(),
            works: Vec::new(),
            idle_works: Vec::new(),
            timers: BinaryHeap::new(),
            errands: VecDeque::new(),
            woken: Vec::new(),
            lively: Lively::default(),
            stopped: false,
            shared,
            lifetime,
        };
        this.add(this.shared.bell().fd(), BELL, epoll::EventFlags::IN)?;
        this.add(this.alarm.fd(), ALARM, epoll::EventFlags::IN)?;
        Ok(this)
    }

    fn add(&self, fd: BorrowedFd<'_>, data: u64, flags: epoll::EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(data), flags)?)
    }

    pub(super) fn run(&mut self) {
        let mut events = Vec::with_capacity(BATCH);
        while !self.stopped {
            let quiet = self.shared.take(&mut self.errands, &mut self.woken);
            if !quiet {
                self.serve();
            }
            let quiet = quiet && self.woken.is_empty();
            if quiet && self.is_done() {
                break;
            }
            if quiet && !self.lively.is_empty() {
                self.shared.awake();
                self.look_again();
                // Whatever has been asked for meanwhile comes before a sleep.
                self.sleep(&mut events, false);
            } else {
                self.sleep(&mut events, quiet);
            }
        }
        self.shared.abandon();
        // Doors close before their owners hear of it.
        for door in self.doors.drain() {
            drop(door.listener);
            door.arrivals.closed();
        }
    }

    /// Waits for the kernel's news, or (unless `long`) only looks for them, and handles them.
    fn sleep(&mut self, events: &mut Vec<epoll::Event>, long: bool) {
        let timeout = if long { None } else { Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 }) };
        events.clear();
        let waited = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), timeout);
        self.shared.awake();
        if waited.is_ok() {
            for event in events.iter() {
                self.handle(event.data.u64());
            }
        }
    }

    /// Does what others have asked for.
    fn serve(&mut self) {
        let (mut errands, mut woken) = (std::mem::take(&mut self.errands), std::mem::take(&mut self.woken));
        for errand in errands.drain(..) {
            self.carry_out(errand);
        }
        for key in woken.drain(..) {
            self.wake(key);
        }
        // The lists are used again; what has been put on them meanwhile stays.
        errands.append(&mut self.errands);
        woken.append(&mut self.woken);
        (self.errands, self.woken) = (errands, woken);
    }

    fn is_done(&self) -> bool {
        self.lifetime == Lifetime::WhileBusy
            && self.connections.is_empty()
            && self.works.len() == self.idle_works.len()
            && self.shared.finish()
    }

    fn handle(&mut self, data: u64) {
        let at = usize::try_from(data / KINDS).unwrap_or(usize::MAX);
        match data % KINDS {
            BELL => self.shared.bell().clear(),
            ALARM => self.ring_alarm(),
            LINK => self.pump(at),
            LIFE => {
                if let Some(connection) = self.connections.get(at) {
                    let driver = Arc::clone(connection.attendance.driver());
                    driver.peer_exited();
                    self.pump(at);
                }
            }
            LISTENER => self.accept(at),
            _ => {}
        }
    }

    fn wake(&mut self, key: Key) {
        match key {
            Key::Connection(at) => self.pump(at),
            Key::Listener(at) => self.accept(at),
            Key::Work(at) => self.work(at),
        }
    }

    fn carry_out(&mut self, errand: Errand) {
        match errand {
            Errand::Adopt(driver) => self.adopt(driver),
            Errand::Listen(listener, arrivals) => self.listen(listener, arrivals),
            Errand::CloseListeners => {
                for at in self.doors.iter().map(|(at, _)| at).collect::<Vec<_>>() {
                    self.close_door(at);
                }
            }
            Errand::Handler(task) => self.start(Run::Handler(task)),
            Errand::Future(future) => self.start(Run::Future(future)),
            Errand::Stop => self.stopped = true,
        }
    }

    fn adopt(&mut self, driver: Arc<Driver>) {
        if driver.is_attended_at(self.shared.place()) {
            return;
        }
        let Some(interest) = driver.interest() else { return };
        let entry = self.connections.vacant_entry();
        let at = entry.key();
        let waker = waker(&self.shared, Key::Connection(at));
        let ticket = interest.event().map(|event| event.subscribe(waker.clone()));
        let attendance = driver.attend(self.shared.place(), waker);
        entry.insert(Connection {
            attendance,
            interest,
            registered: None,
            life: false,
            ticket,
            due: Time::NEVER,
        });
        self.pump(at);
    }

    fn pump(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        let Worked { again, busy } = connection.attendance.work();
        if again {
            self.woken.push(Key::Connection(at));
        } else if !busy || !self.lively.note(at, &connection.attendance) {
            self.stand(at);
        }
    }

    /// Before a sleep: the connection's news are signalled from now on.
    fn stand(&mut self, at: usize) {
        let Some(connection) = self.connections.get_mut(at) else { return };
        let Pumped { again, ended, wants, until } = connection.attendance.stand();
        if ended {
            return self.release(at);
        }
        if again {
            self.woken.push(Key::Connection(at));
        }
        if let Some(until) = until.filter(|until| *until < connection.due) {
            connection.due = until;
            self.timers.push(Reverse((until, at as u64)));
            let _ = self.alarm.set(until);
        }
        if let Err(error) = self.register(at, wants) {
            let text = format!("the connection cannot be waited on: {error}");
            let error = farcall_core::Error::new(
                farcall_core::Code::ResourceExhausted,
                farcall_core::Fate::Unknown,
                text,
            );
            if let Some(connection) = self.connections.get(at) {
                let driver = Arc::clone(connection.attendance.driver());
                driver.end(&error);
            }
            self.release(at);
        }
    }

    /// Tells epoll what is wanted, if that has changed.
    fn register(&mut self, at: usize, wants: Wants) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(at) else { return Ok(()) };
        let is_known = connection.interest.life.is_some();
        if !connection.life && (is_known || connection.attendance.driver().session().is_ready()) {
            // Unless it is known from the beginning, it comes with the first bytes.
            connection.life = true;
            if !is_known && let Some(interest) = connection.attendance.driver().interest() {
                connection.interest = interest;
            }
            if let Some(life) = &connection.interest.life {
                let own = life.try_clone()?;
                let data = epoll::EventData::new_u64(at as u64 * KINDS + LIFE);
                epoll::add(&self.epoll, &own, data, epoll::EventFlags::IN)?;
                connection.interest.life = Some(Arc::new(own));
            }
        }
        if connection.registered == Some(wants.write) {
            return Ok(());
        }
        let before = connection.registered.replace(wants.write);
        let data = epoll::EventData::new_u64(at as u64 * KINDS + LINK);
        // Edges: a turn goes on until would-block or comes again, so a link is not asked twice for the same news.
        let reads = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let (read, write) = match &connection.interest.readiness {
            Readiness::Fd { read, write } => (read, write),
            // Room to send rings it too, and each ring is an edge.
            Readiness::Bell(bell) if before.is_none() => {
                return Ok(epoll::add(&self.epoll, bell, data, reads)?);
            }
            Readiness::Bell(_) | Readiness::Event(_) => return Ok(()),
        };
        let writes = if wants.write { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
        let writes = writes | epoll::EventFlags::ET;
        let tell = |fd: &OwnedFd, flags| match before {
            None => epoll::add(&self.epoll, fd, data, flags),
            Some(_) => epoll::modify(&self.epoll, fd, data, flags),
        };
        if Arc::ptr_eq(read, write) {
            tell(read, reads | writes)?;
        } else {
            tell(read, reads)?;
            tell(write, writes)?;
        }
        Ok(())
    }

    fn release(&mut self, at: usize) {
        let Some(connection) = self.connections.try_remove(at) else { return };
        self.lively.forget(at);
        match &connection.interest.readiness {
            Readiness::Fd { read, write } if connection.registered.is_some() => {
                let _ = epoll::delete(&self.epoll, read.as_fd());
                if !Arc::ptr_eq(read, write) {
                    let _ = epoll::delete(&self.epoll, write.as_fd());
                }
            }
            Readiness::Bell(bell) if connection.registered.is_some() => {
                let _ = epoll::delete(&self.epoll, bell.as_fd());
            }
            Readiness::Event(event) => {
                if let Some(ticket) = connection.ticket {
                    event.unsubscribe(ticket);
                }
            }
            Readiness::Fd { .. } | Readiness::Bell(_) => {}
        }
        if let (true, Some(life)) = (connection.life, &connection.interest.life) {
            let _ = epoll::delete(&self.epoll, life.as_fd());
        }
    }

    fn ring_alarm(&mut self) {
        self.alarm.clear();
        let time = now();
        while let Some(Reverse((due, at))) = self.timers.peek().copied() {
            if due > time {
                let _ = self.alarm.set(due);
                break;
            }
            self.timers.pop();
            let Ok(at) = usize::try_from(at) else { continue };
            if at >= DOOR_TIMERS {
                self.accept(at - DOOR_TIMERS);
            } else if let Some(connection) = self.connections.get_mut(at) {
                connection.due = Time::NEVER;
                self.pump(at);
            }
        }
    }

    fn start(&mut self, run: Run) {
        let at = self.idle_works.pop().unwrap_or_else(|| {
            let at = self.works.len();
            self.works.push(Work { run: None, waker: waker(&self.shared, Key::Work(at)) });
            at
        });
        self.works[at].run = Some(run);
        self.work(at);
    }

    fn work(&mut self, at: usize) {
        let Some(work) = self.works.get_mut(at) else { return };
        let Some(run) = &mut work.run else { return };
        let mut cx = Context::from_waker(&work.waker);
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match run {
            Run::Handler(task) => Pin::new(task).poll(&mut cx),
            Run::Future(future) => future.as_mut().poll(&mut cx),
        }));
        if !matches!(polled, Ok(Poll::Pending)) {
            work.run = None;
            self.idle_works.push(at);
        }
    }
}
