//! A calculator, served and connected: what the examples in the documentation call.

use crate::{Error, ServerHandle};

/// What can be calculated.
#[crate::service(crate = "crate")]
pub trait Calculator {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// Divides, if it can.
    async fn divide(&self, a: f64, b: f64) -> Result<f64, String>;
    /// Comes to no end.
    async fn ponder(&self);
}

/// The implementation.
#[derive(Debug)]
pub struct Calc;

impl Calculator for Calc {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn divide(&self, a: f64, b: f64) -> Result<f64, String> {
        if b == 0.0 { Err("division by zero".to_owned()) } else { Ok(a / b) }
    }

    async fn ponder(&self) {
        std::future::pending().await
    }
}

/// A server and its client; both go when they are dropped.
///
/// # Errors
/// As [`serve`](crate::serve) and [`connect`](crate::connect).
pub fn calculator(url: &str) -> Result<(ServerHandle, CalculatorClient), Error> {
    let server = crate::serve(url, CalculatorServer::new(Calc)).wait()?;
    let client = crate::connect(server.url()).wait()?;
    Ok((server, client))
}
