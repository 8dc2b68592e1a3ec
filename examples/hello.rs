//! The README's text: one trait, served and called, once blocking and once async.

use std::fmt;

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub enum DivideError {
    ByZero,
}

impl fmt::Display for DivideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("division by zero")
    }
}

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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    blocking()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(asynchronous())?;
    Ok(())
}

/// Without any runtime: `.wait()` where `.await` would stand.
fn blocking() -> Result<(), farcall::Error> {
    let server = farcall::serve("tcp://127.0.0.1:0", CalculatorServer::new(Calc)).wait()?;
    let calc: CalculatorClient = farcall::connect(server.url()).wait()?;
    println!("blocking: 2 + 3 = {}, -7 = {}", calc.add(2, 3).wait()?, calc.negate(7).wait()?);
    if let Err(error) = calc.divide(1.0, 0.0).wait() {
        println!("blocking: 1 / 0 fails: {error}");
    }
    Ok(())
}

/// The same trait, server and client on a runtime.
async fn asynchronous() -> Result<(), farcall::Error> {
    let server = farcall::serve("tcp://127.0.0.1:0", CalculatorServer::new(Calc)).await?;
    let calc: CalculatorClient = farcall::connect(server.url()).await?;
    println!("async: 2 + 3 = {}, {}", calc.add(2, 3).await?, calc.greet("farcall").await?);
    Ok(())
}
