//! The thread that starts children whom the kernel is to signal at this process's end.
//!
//! The kernel means the end of the *thread* that forked (prctl(2), `PR_SET_PDEATHSIG`). A caller's thread, or one of a
//! runtime's, may end long before its process; this one ends with it.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

type Order = (Command, SyncSender<io::Result<Child>>);

/// The thread of this process; one that was forked from another has none yet.
static NURSERY: Mutex<Option<(u32, Sender<Order>)>> = Mutex::new(None);

/// Starts a child on the thread that lives as long as this process.
///
/// # Errors
/// What the start of the program or of the thread says.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    let (tx, rx) = sync_channel(1);
    let mut nursery = NURSERY.lock().unwrap_or_else(PoisonError::into_inner);
    let this = std::process::id();
    let orders = match &*nursery {
        Some((process, orders)) if *process == this => orders.clone(),
        _ => {
            let (orders, taken) = channel();
            thread::Builder::new().name("farcall-nursery".into()).spawn(move || work(&taken))?;
            nursery.insert((this, orders)).1.clone()
        }
    };
    drop(nursery);
    let gone = || io::Error::other("the thread that starts children has ended");
    orders.send((command, tx)).map_err(|_| gone())?;
    rx.recv().map_err(|_| gone())?
}

fn work(orders: &Receiver<Order>) {
    while let Ok((mut command, answer)) = orders.recv() {
        let _ = answer.send(command.spawn());
    }
}
