//! Several connections behind one client: which of them takes a call, and what may be sent again.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::buffers;
use crate::client::connection::Stub;
use crate::client::course::State;
use crate::client::{Call, Connection, Policy};
use crate::driver::Driver;
use crate::error::{Code, Error, Fate, Gone};
use crate::limits::PING_TIMEOUT;
use crate::proto::Pulse;
use crate::service::ServiceDescriptor;
use crate::session::Settled;
use crate::shape::Shapes;
use crate::time::Time;

/// How often a call is sent again whose method is idempotent.
const AGAIN_IDEMPOTENT: u8 = 2;

/// How often a call is sent again that provably did not run, since its connection was gone: each time one more is out.
const AGAIN_ELSEWHERE: u8 = 8;

/// How often a call is sent again that the other side had no room for.
const AGAIN_OVERLOADED: u8 = 1;

/// Bytes of arguments that are kept to be sent again if the method is not idempotent: beyond, a copy costs more than the
/// rare second attempt is worth.
const KEPT: usize = 64 * 1024;

/// Connections that share the calls of their clients.
///
/// **Implementers**: `choose` runs at the start of each call; it never blocks for long and does no I/O.
pub trait Pool: Send + Sync {
    /// The connection that takes the next call.
    ///
    /// # Errors
    /// Why there is none now; `NotSent`.
    fn choose(&self) -> Result<Arc<Member>, Error>;

    /// A call has found its connection ended: another may be wanted in its place.
    fn notice(&self);

    /// Takes no calls any more, and gives away those that took them.
    fn close(&self) -> Vec<Arc<Member>>;
}

/// One connection of a pool.
pub struct Member {
    connection: Connection,
    /// Started here and not settled.
    calls: AtomicUsize,
    /// The number under which each service is open on the connection.
    objects: Mutex<Vec<(&'static ServiceDescriptor, u32)>>,
    /// Why it gets no more calls, although its connection may not have ended yet.
    retired: OnceLock<Error>,
    /// It owes a sign of life.
    silent: AtomicBool,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl Member {
    /// A member that has no calls.
    pub fn new(connection: Connection) -> Self {
        Member {
            connection,
            calls: AtomicUsize::new(0),
            objects: Mutex::default(),
            retired: OnceLock::new(),
            silent: AtomicBool::new(false),
        }
    }

    /// Calls of the pool that are in flight here.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Why it takes no more calls: its connection has ended, or has failed one in a way that says it will.
    pub fn ended(&self) -> Option<Error> {
        self.connection.handle().driver.session().ended().or_else(|| self.retired.get().cloned())
    }

    /// Whether it is to take calls only if no other can: its peer did not answer when it was last asked.
    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Reads what its peer has sent, if nobody else does, and asks it for a sign of life. A peer that has given none since
    /// the last time is silent; if nothing else is asked of it, its connection ends after [`PING_TIMEOUT`].
    pub fn feel_pulse(&self) {
        let driver = &self.connection.handle().driver;
        // A wire that plays the peer's part itself knows nothing of who takes the calls.
        if driver.capabilities().survives_peer {
            return;
        }
        driver.touch();
        let now = driver.host().now();
        let pulse = driver.session().take_pulse(now);
        driver.flush_at(now);
        self.silent.store(matches!(pulse, Pulse::Silent(_)), Ordering::Relaxed);
        if let Pulse::Silent(since) = pulse
            && since + PING_TIMEOUT <= now
            && self.calls() == 0
        {
            let text = format!("{}: no answer to a ping within {PING_TIMEOUT:?}", driver.url());
            driver.end(&Error::new(Code::PeerGone(Gone::PingTimeout), Fate::Unknown, text));
        }
    }

    pub(super) fn driver(&self) -> &Arc<Driver> {
        &self.connection.handle().driver
    }

    /// What becomes readable when the peer's process ends, where the wire has such a thing.
    #[cfg(unix)]
    pub fn life(&self) -> Option<Arc<std::os::fd::OwnedFd>> {
        self.connection.handle().driver.interest()?.life
    }

    /// The peer's process has ended: what it had sent still counts, then the connection ends.
    pub fn mourn(&self) {
        self.connection.handle().driver.peer_exited();
    }

    fn object(&self, descriptor: &'static ServiceDescriptor, shapes: &'static Shapes) -> Result<u32, Error> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, object)) = objects.iter().find(|(known, _)| std::ptr::eq(*known, descriptor)) {
            return Ok(*object);
        }
        let object = self.connection.open_object(descriptor, shapes)?;
        objects.push((descriptor, object));
        Ok(object)
    }
}

/// A call counted by its member, until it is dropped.
struct Lease(Arc<Member>);

impl Lease {
    fn of(member: Arc<Member>) -> Self {
        member.calls.fetch_add(1, Ordering::Relaxed);
        Lease(member)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a call of a pool remembers.
pub(super) struct Pooled {
    pool: Arc<dyn Pool>,
    lease: Lease,
    /// The arguments, to be sent again.
    body: Option<Vec<u8>>,
    policy: Policy,
    since: Time,
    sent_again: u8,
    /// What can be believed of it where it was sent before, if it may have run there.
    doubt: Option<Fate>,
}

impl Drop for Pooled {
    fn drop(&mut self) {
        buffers::give(self.body.take().unwrap_or_default());
    }
}

impl<T, E> Call<T, E> {
    /// Gives a call of a pool, which is about to start, its connection.
    pub(super) fn choose(&mut self) {
        if let Some(pool) = self.core.connection.pool() {
            let pool = Arc::clone(pool);
            self.choose_from(pool);
        }
    }

    #[cold]
    fn choose_from(&mut self, pool: Arc<dyn Pool>) {
        let State::Encoded(body) = &self.course.state else { return };
        let policy = self.core.connection.policy();
        let is_kept = self.is_idempotent() || body.len() <= KEPT;
        let body = is_kept.then(|| {
            let mut copy = buffers::take(body.len());
            copy.extend_from_slice(body);
            copy
        });
        match pool.choose().and_then(|member| self.join(&member, policy).map(|()| member)) {
            Ok(member) => {
                let since = self.driver().host().now();
                let lease = Lease::of(member);
                self.pooled =
                    Some(Box::new(Pooled { pool, lease, body, policy, since, sent_again: 0, doubt: None }));
            }
            Err(error) => {
                if let State::Encoded(body) = std::mem::replace(&mut self.course.state, State::Refused(error))
                {
                    buffers::give(body);
                }
            }
        }
    }

    /// From now on this is a call on the member's connection.
    fn join(&mut self, member: &Member, policy: Policy) -> Result<(), Error> {
        let descriptor = self.core.descriptor;
        let shapes = self.core.shapes;
        let object = member.object(descriptor, shapes).map_err(|error| error.with_fate(Fate::NotSent))?;
        let connection = member.connection.with_policy(policy);
        self.core = Stub { connection, object, descriptor, shapes }.into();
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        let methods = self.core.descriptor.methods();
        methods.get(usize::from(self.course.method)).is_some_and(|method| method.is_idempotent())
    }

    /// Whether the call, which could not be started, has been made ready to be started elsewhere.
    pub(super) fn starts_again(&mut self) -> bool {
        let State::Refused(error) = &self.course.state else { return false };
        let error = error.clone();
        self.pooled.is_some() && self.goes_again(&error)
    }

    /// Whether the call, which ended so, has been made ready to be started elsewhere.
    pub(super) fn ends_again(&mut self, settled: &Settled) -> bool {
        match settled {
            Settled::Error(error) if self.pooled.is_some() => self.goes_again(error),
            _ => false,
        }
    }

    /// The error of the last attempt, which proves nothing of those before it.
    pub(super) fn doubted(&self, error: Error) -> Error {
        match self.pooled.as_ref().and_then(|pooled| pooled.doubt) {
            Some(doubt) if error.fate().is_safe_to_retry() => error.with_fate(doubt).context("sent again"),
            _ => error,
        }
    }

    #[cold]
    fn goes_again(&mut self, error: &Error) -> bool {
        let is_idempotent = self.is_idempotent();
        let Some(pooled) = &mut self.pooled else { return false };
        if is_gone(error) {
            let _ = pooled.lease.0.retired.set(error.clone());
            pooled.pool.notice();
        }
        if !may_go_again(error, is_idempotent, pooled.sent_again) {
            return false;
        }
        let now = self.core.connection.handle().driver.host().now();
        let left = self.course.deadline.saturating_sub(now.since(pooled.since));
        let Ok(member) = pooled.pool.choose() else { return false };
        let (policy, kept) = (pooled.policy, pooled.body.as_ref());
        let Some(body) = kept.filter(|_| !left.is_zero()).map(|kept| {
            let mut copy = buffers::take(kept.len());
            copy.extend_from_slice(kept);
            copy
        }) else {
            return false;
        };
        pooled.sent_again += 1;
        if !error.fate().is_safe_to_retry() {
            pooled.doubt = Some(error.fate());
        }
        pooled.since = now;
        pooled.lease = Lease::of(Arc::clone(&member));
        if self.join(&member, policy).is_err() {
            buffers::give(body);
            return false;
        }
        self.course.deadline = left;
        self.patience = None;
        self.course.state = State::Encoded(body);
        true
    }
}

/// Whether the connection that failed a call so will fail the next ones too.
fn is_gone(error: &Error) -> bool {
    matches!(error.code(), Code::PeerGone(_) | Code::Unavailable | Code::Draining)
}

/// Whether a call that failed so may be sent again: the failure is the connection's, not the call's own, and either the
/// handler provably did not run or it may run twice.
fn may_go_again(error: &Error, is_idempotent: bool, sent_again: u8) -> bool {
    let is_full = matches!(error.code(), Code::Overloaded | Code::ResourceExhausted);
    let most = match (error.fate().is_safe_to_retry(), error.fate()) {
        (true, _) if is_full => AGAIN_OVERLOADED,
        (true, _) => AGAIN_ELSEWHERE,
        (false, Fate::Completed) => 0,
        (false, _) => u8::from(is_idempotent) * AGAIN_IDEMPOTENT,
    };
    (is_full || is_gone(error)) && sent_again < most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Gone;

    #[test]
    fn only_what_did_not_run_or_may_run_twice_is_sent_again() {
        let gone = |fate| Error::new(Code::PeerGone(Gone::Hup), fate, "gone");
        for (fate, plain, idempotent) in [
            (Fate::NotSent, true, true),
            (Fate::NotExecuted, true, true),
            (Fate::Unknown, false, true),
            (Fate::Started, false, true),
            (Fate::Completed, false, false),
        ] {
            assert_eq!(may_go_again(&gone(fate), false, 0), plain, "{fate:?}");
            assert_eq!(may_go_again(&gone(fate), true, 0), idempotent, "{fate:?}");
            assert!(!may_go_again(&gone(fate), true, AGAIN_ELSEWHERE), "{fate:?}");
        }
    }

    #[test]
    fn what_may_run_twice_is_sent_three_times_at_most() {
        let unknown = Error::new(Code::PeerGone(Gone::Hup), Fate::Unknown, "gone");
        assert!(may_go_again(&unknown, true, 1) && !may_go_again(&unknown, true, 2));
        let full = Error::new(Code::Overloaded, Fate::NotSent, "full");
        assert!(may_go_again(&full, false, 0) && !may_go_again(&full, false, 1));
    }

    #[test]
    fn a_failure_of_the_calls_own_is_final() {
        for code in [Code::TooLarge, Code::BadRequest, Code::UnknownMethod, Code::HandlerPanicked] {
            assert!(!may_go_again(&Error::new(code, Fate::NotSent, "no"), true, 0), "{code:?}");
        }
    }
}
