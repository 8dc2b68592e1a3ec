//! One trait, served and called: once blocking, once async, over the wire that a URL names.
//!
//! `cargo run --example hello -- unix:/tmp/calculator.sock`

use std::fmt;
use std::time::Duration;

/// Time that calls in progress get to end when a server shuts down.
const GRACE: Duration = Duration::from_secs(1);

/// Why a division has no result: an error of the service's own.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub enum DivideError {
    /// The divisor is zero.
    ByZero,
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("division by zero")
    }
}

/// The interface: written once, implemented as written.
#[farcall::service]
pub trait Calculator {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Changes the sign.
    fn negate(&self, a: i64) -> i64;
    /// Divides, if it can.
    async fn divide(&self, a: f64, b: f64) -> Result<f64, DivideError>;
    /// Says hello.
    async fn greet(&self, name: &str) -> String;
}

struct Calc;

impl Calculator for Calc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    fn negate(&self, a: i64) -> i64 {
        -a
    }

    async fn divide(&self, a: f64, b: f64) -> Result<f64, DivideError> {
        if b == 0.0 { Err(DivideError::ByZero) } else { Ok(a / b) }
    }

    async fn greet(&self, name: &str) -> String {
        format!("hello, {name}")
    }
}

/// Without any runtime: `.wait()` where `.await` would stand.
fn blocking(url: &str) -> Result<(), farcall::Error> {
    let server = farcall::serve(url, CalculatorServer::new(Calc)).wait()?;
    let calc: CalculatorClient = farcall::connect(server.url()).wait()?;
    println!("blocking: 2 + 3 = {}, -7 = {}", calc.add(2, 3).wait()?, calc.negate(7).wait()?);
    if let Err(error) = calc.divide(1.0, 0.0).wait() {
        println!("blocking: 1 / 0 fails: {error}");
    }
    server.shutdown(GRACE).wait()
}

/// The same trait, server and client on tokio.
async fn asynchronous(url: &str) -> Result<(), farcall::Error> {
    let server = farcall::serve(url, CalculatorServer::new(Calc)).await?;
    let calc: CalculatorClient = farcall::connect(server.url()).await?;
    println!("async: 2 + 3 = {}, {}", calc.add(2, 3).await?, calc.greet("farcall").await?);
    server.shutdown(GRACE).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("tcp://127.0.0.1:0".to_owned());
    blocking(&url)?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(asynchronous(&url))?;
    Ok(())
}
