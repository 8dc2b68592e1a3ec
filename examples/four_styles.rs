//! One trait, called in four styles: blocking, async, polling and with a callback.
//!
//! A method of a client gives a `Call`; only what is done with it differs. The server knows nothing of the styles.
//! `cargo run --example four_styles -- unix:@primes`

use std::error::Error;
use std::sync::mpsc::channel;
use std::thread;

/// Up to here primes are counted.
const END: u32 = 50_000;

/// The interface.
#[farcall::service]
pub trait Primes {
    /// How many primes there are below `end`. It takes a while.
    #[blocking]
    fn count_below(&self, end: u32) -> u32;
}

struct Sieve;

impl Primes for Sieve {
    fn count_below(&self, end: u32) -> u32 {
        let is_prime = |n: &u32| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
        (2..end).filter(is_prime).map(|_| 1).sum()
    }
}

/// The thread waits for the result. No runtime is needed.
fn blocking(primes: &PrimesClient) -> Result<u32, farcall::Error> {
    primes.count_below(END).wait()
}

/// The task waits; its thread is free for others. Any runtime will do.
async fn asynchronous(primes: &PrimesClient) -> Result<u32, farcall::Error> {
    primes.count_below(END).await
}

/// Nobody waits: the call is on its way, and the thread looks now and then whether the result is there.
fn polling(primes: &PrimesClient) -> Result<u32, farcall::Error> {
    let mut call = primes.count_below(END).submit();
    loop {
        match call.try_take() {
            Some(result) => return result,
            // A frame of a game would be drawn here.
            None => thread::yield_now(),
        }
    }
}

/// Nobody even looks: the result is brought, on a thread of Farcall's own, to a function that must not block.
fn callback(primes: &PrimesClient) -> Result<u32, Box<dyn Error>> {
    let (tx, rx) = channel();
    primes.count_below(END).on_complete(move |result| {
        // If nobody listens any more, the result is for nobody.
        let _ = tx.send((result, thread::current().id()));
    })?;
    // Only so that the program does not end before.
    let (result, brought_by) = rx.recv()?;
    if brought_by == thread::current().id() {
        return Err("the callback ran on the caller's thread".into());
    }
    Ok(result?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("tcp://127.0.0.1:0".to_owned());
    let server = farcall::serve(url, PrimesServer::new(Sieve)).wait()?;
    let primes: PrimesClient = farcall::connect(server.url()).wait()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

    // The trait is implemented as written, so that it can also be called without any wire.
    let expected = Sieve.count_below(END);
    let counted = [
        ("blocking", blocking(&primes)?),
        ("async", runtime.block_on(asynchronous(&primes))?),
        ("polling", polling(&primes)?),
        ("callback", callback(&primes)?),
    ];
    for (style, count) in counted {
        println!("{style}: {count} primes below {END}");
        if count != expected {
            return Err(format!("{style} counts {count}, without a wire it is {expected}").into());
        }
    }
    Ok(())
}
