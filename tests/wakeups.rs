//! No wake-up is lost when answers come from another thread than the one that drives their connection. One that is lost
//! shows as a call that passes its deadline.

use std::time::Duration;

const CALLS: u32 = 2_000;

/// Longer than any machine needs for one call, short enough for a failing test.
const DEADLINE: Duration = Duration::from_secs(10);

#[farcall::service]
trait Numbers {
    #[blocking]
    fn next(&self, number: u32) -> u32;
}

struct Counting;

impl Numbers for Counting {
    fn next(&self, number: u32) -> u32 {
        number + 1
    }
}

fn call_waiting(url: &str) -> Result<(), farcall::Error> {
    let server = farcall::serve(url, NumbersServer::new(Counting)).wait()?;
    let client: NumbersClient = farcall::connect(server.url()).deadline(DEADLINE).wait()?;
    for number in 0..CALLS {
        assert_eq!(client.next(number).wait()?, number + 1);
    }
    Ok(())
}

fn call_awaiting(url: &str) -> Result<(), farcall::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let server = farcall::serve(url, NumbersServer::new(Counting)).await?;
        let client: NumbersClient = farcall::connect(server.url()).deadline(DEADLINE).await?;
        for number in 0..CALLS {
            assert_eq!(client.next(number).await?, number + 1);
        }
        Ok(())
    })
}

#[test]
fn workers_answers_wake_threads_over_mem() -> Result<(), farcall::Error> {
    call_waiting("mem:wakeups-threads")
}

#[test]
fn workers_answers_wake_tasks_over_mem() -> Result<(), farcall::Error> {
    call_awaiting("mem:wakeups-tasks")
}

#[test]
fn workers_answers_wake_threads_over_tcp() -> Result<(), farcall::Error> {
    call_waiting("tcp://127.0.0.1:0")
}

#[test]
fn workers_answers_wake_tasks_over_tcp() -> Result<(), farcall::Error> {
    call_awaiting("tcp://127.0.0.1:0")
}

/// A server that never sleeps while it looks for one client's next call has time for the others nevertheless.
fn call_beside_one_that_spins(url: &str) -> Result<(), farcall::Error> {
    let first: NumbersClient = farcall::connect(url).deadline(DEADLINE).wait()?;
    for number in 0..CALLS / 10 {
        assert_eq!(first.next(number).wait()?, number + 1);
        let other: NumbersClient = farcall::connect(url).deadline(DEADLINE).wait()?;
        assert_eq!(other.next(number).wait()?, number + 1);
    }
    Ok(())
}

#[test]
fn a_thread_that_spins_for_one_client_serves_the_others() -> Result<(), farcall::Error> {
    let server = farcall::serve("shm:wakeups-spin-threads?wait=spin", NumbersServer::new(Counting)).wait()?;
    call_beside_one_that_spins(server.url())
}

#[test]
fn a_task_that_spins_for_one_client_serves_the_others() -> Result<(), farcall::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let server = farcall::serve("shm:wakeups-spin-tasks?wait=spin", NumbersServer::new(Counting)).await?;
        let url = server.url().to_owned();
        let called = tokio::task::spawn_blocking(move || call_beside_one_that_spins(&url)).await;
        called.expect("no panic")
    })
}
