//! A bounded mailbox between two producers and three consumers: who produces faster than is consumed waits for room, and
//! each item is taken by exactly one consumer.
//!
//! `cargo run --example producer_consumer`

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What a producer makes.
const ITEMS: u64 = 60;

/// The interface between the two.
#[farcall::service]
pub trait Warehouse {
    /// Takes an item in; gives the name of the consumer.
    #[blocking]
    fn store(&self, producer: u64, item: u64) -> u64;
}

/// A consumer.
struct Consumer {
    name: u64,
    stored: &'static AtomicU64,
}

impl Warehouse for Consumer {
    fn store(&self, producer: u64, item: u64) -> u64 {
        // Some work, so that the producers are faster.
        let work: u64 = (0..20_000).fold(producer ^ item, |sum, n| sum.rotate_left(5) ^ n);
        std::hint::black_box(work);
        self.stored.fetch_add(1, Ordering::Relaxed);
        self.name
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mailbox = format!("mailbox:/farcall-warehouse-{}", std::process::id());
    let result = run(&mailbox);
    // A mailbox stays until somebody removes it.
    farcall::remove_mailbox(&mailbox)?;
    result
}

fn run(mailbox: &str) -> Result<(), Box<dyn Error>> {
    static STORED: AtomicU64 = AtomicU64::new(0);
    // Four items wait at most. The producers begin before anybody consumes.
    let bounded = format!("{mailbox}?depth=4&msgsize=1KiB");
    let producers: Vec<_> = (0..2)
        .map(|producer| {
            let warehouse: WarehouseClient = farcall::connect(&bounded).wait()?;
            Ok(thread::spawn(move || produce(producer, &warehouse)))
        })
        .collect::<Result<_, farcall::Error>>()?;

    let consumers: Vec<_> = (0..3)
        .map(|name| farcall::serve(mailbox, WarehouseServer::new(Consumer { name, stored: &STORED })).wait())
        .collect::<Result<_, farcall::Error>>()?;

    let mut taken = [0; 3];
    for producer in producers {
        for name in producer.join().expect("a producer does not panic")? {
            taken[usize::try_from(name)?] += 1;
        }
    }
    let (stored, all_have_some) = (STORED.load(Ordering::Relaxed), taken.iter().all(|items| *items > 0));
    println!("{} items produced, {stored} stored", 2 * ITEMS);
    println!("every consumer had its share: {all_have_some}");
    drop(consumers);
    if stored == 2 * ITEMS && all_have_some {
        Ok(())
    } else {
        Err("items were lost, or a consumer had none".into())
    }
}

/// Puts items in as fast as there is room; the names of those who took them.
fn produce(producer: u64, warehouse: &WarehouseClient) -> Result<Vec<u64>, farcall::Error> {
    let items = farcall::submit_all((0..ITEMS).map(|item| warehouse.store(producer, item)));
    items.into_iter().map(|item| item.wait()).collect()
}
