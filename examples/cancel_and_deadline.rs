//! Calls that end before their handlers do: by a deadline, by being dropped, and in handlers that block.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use farcall::{Client, Server};

/// Work that takes for ever unless somebody stops it.
#[farcall::service]
pub trait Slow {
    /// Never returns.
    async fn forever(&self);
    /// The same, on a thread that blocks.
    #[blocking]
    fn grind(&self) -> u64;
    /// Calls `forever` on another server, with a deadline far longer than any caller's.
    async fn relay(&self) -> String;
}

/// Says on a channel how each handler ends.
struct Worker {
    news: Arc<Mutex<Sender<&'static str>>>,
    next: Option<SlowClient>,
}

/// Reports when it is dropped: so does whatever a cancelled handler holds.
struct Guard(Arc<Mutex<Sender<&'static str>>>);

impl Drop for Guard {
    fn drop(&mut self) {
        tell(&self.0, "its future was dropped");
    }
}

fn tell(news: &Mutex<Sender<&'static str>>, what: &'static str) {
    // At the end of the program nobody listens.
    let _ = news.lock().unwrap_or_else(PoisonError::into_inner).send(what);
}

impl Slow for Worker {
    async fn forever(&self) {
        let _guard = Guard(Arc::clone(&self.news));
        tell(&self.news, "started");
        std::future::pending().await
    }

    fn grind(&self) -> u64 {
        tell(&self.news, "started");
        let mut rounds = 0;
        let context = farcall::context();
        // A thread cannot be stopped from outside: look now and then whether anybody still wants the result.
        while !context.cancelled() {
            rounds += 1;
            std::thread::yield_now();
        }
        tell(&self.news, "it saw that nobody waits");
        rounds
    }

    async fn relay(&self) -> String {
        let Some(next) = &self.next else { return "nobody to relay to".to_owned() };
        match next.with_deadline(Duration::from_secs(3600)).forever().await {
            Ok(()) => "it returned".to_owned(),
            Err(error) => format!("{:?}", error.code()),
        }
    }
}

/// What a handler says next.
fn next(events: &Receiver<&'static str>) -> Result<&'static str, std::sync::mpsc::RecvTimeoutError> {
    events.recv_timeout(Duration::from_secs(20))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (tx, events) = channel();
    let news = Arc::new(Mutex::new(tx));
    let back = farcall::serve("mem:back", SlowServer::new(Worker { news: Arc::clone(&news), next: None }));
    let back = back.wait()?;
    let behind: SlowClient = farcall::connect(back.url()).wait()?;
    let front = Server::new().add(SlowServer::new(Worker { news, next: Some(behind) })).listen("mem:front");
    let front = front.wait()?;
    let slow: SlowClient = farcall::connect(format!("{}?deadline=1s", front.url())).wait()?;

    // A deadline: for one call here; `?deadline=` or `with_deadline` for all of a handle.
    if let Err(error) = slow.forever().deadline(Duration::from_millis(300)).wait() {
        println!("deadline: {:?}; it {}, {}", error.code(), next(&events)?, next(&events)?);
    }

    // Dropping a call that has been started cancels it. (Before its handler has begun, it never will.)
    let call = slow.forever().submit();
    let began = next(&events)?;
    drop(call);
    println!("drop: it {began}, {}", next(&events)?);

    // A handler that blocks is told.
    let call = slow.grind().submit();
    let began = next(&events)?;
    drop(call);
    println!("blocking: it {began}, {}", next(&events)?);

    // What is left of the deadline goes along: the inner call ends with the outer one, not after its own hour. Both are
    // due at the same moment: either the caller sees that itself, or the relay is quicker to say it of the inner call.
    let ended = match slow.relay().deadline(Duration::from_millis(300)).wait() {
        Ok(inner) => inner,
        Err(error) => format!("{:?}", error.code()),
    };
    println!("inherited: {ended}; the last in the chain {}, {}", next(&events)?, next(&events)?);
    Ok(())
}
