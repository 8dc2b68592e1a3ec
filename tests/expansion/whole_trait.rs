//! Every kind of method, argument and result, without a warning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Point {
    /// To the right.
    pub x: i64,
}

/// Why a method failed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Failure;

/// Bytes under another name.
pub type Blob = Vec<u8>;

/// One of everything.
#[farcall::service]
pub trait Everything {
    /// Nothing in, nothing out.
    async fn nothing(&self);
    /// Two numbers.
    async fn add(&self, a: i64, b: i64) -> i64;
    /// A plain function that may run twice.
    #[idempotent]
    fn negate(&self, a: i64) -> i64;
    /// A function that blocks.
    #[blocking]
    fn search(&self, pattern: String) -> Vec<Point>;
    /// A result.
    async fn divide(&self, a: f64, b: f64) -> Result<f64, Failure>;
    /// A plain function with a result.
    fn check(&self, point: &Point) -> Result<(), Failure>;
    /// Borrowed arguments.
    async fn borrowed(
        &self,
        name: &str,
        bytes: &[u8],
        point: &Point,
        points: &[Point],
        blobs: &[Blob],
        title: Option<&str>,
        tail: Option<&[u8]>,
    ) -> String;
    /// Bytes both ways.
    async fn echo(&self, bytes: Vec<u8>, blob: Blob, shared: &Vec<u8>) -> Blob;
    /// Owned text that may be borrowed.
    async fn cow(&self, text: std::borrow::Cow<'static, str>) -> std::borrow::Cow<'static, str>;
    /// A default body.
    async fn twice(&self, mut number: i64, _unused: Point) -> i64 {
        if number == 0 {
            return 0;
        }
        number *= 2;
        self.add(number, 0).await
    }
    /// A default body of one expression.
    async fn shout(&self, text: &str) -> String {
        text.to_uppercase() + "!"
    }
    /// A plain default body.
    fn thrice(&self, number: i64) -> i64 {
        number * 3
    }
    /// As many arguments as there may be.
    #[allow(clippy::too_many_arguments)]
    fn many(
        &self,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
    ) -> u8;
    /// Named on the wire.
    #[method(name = "other")]
    fn renamed(&self) -> (i32, Point);
}

struct Whole;

impl Everything for Whole {
    async fn nothing(&self) {}
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    fn negate(&self, a: i64) -> i64 {
        -a
    }
    fn search(&self, _: String) -> Vec<Point> {
        Vec::new()
    }
    async fn divide(&self, a: f64, b: f64) -> Result<f64, Failure> {
        if b == 0.0 { Err(Failure) } else { Ok(a / b) }
    }
    fn check(&self, _: &Point) -> Result<(), Failure> {
        Ok(())
    }
    async fn borrowed(
        &self,
        name: &str,
        bytes: &[u8],
        point: &Point,
        points: &[Point],
        blobs: &[Blob],
        title: Option<&str>,
        tail: Option<&[u8]>,
    ) -> String {
        std::future::ready(()).await;
        format!("{name} {bytes:?} {point:?} {points:?} {blobs:?} {title:?} {tail:?}")
    }
    async fn echo(&self, bytes: Vec<u8>, _: Blob, _: &Vec<u8>) -> Blob {
        bytes
    }
    async fn cow(&self, text: std::borrow::Cow<'static, str>) -> std::borrow::Cow<'static, str> {
        text
    }
    fn many(
        &self,
        a: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
    ) -> u8 {
        a
    }
    fn renamed(&self) -> (i32, Point) {
        (1, Point { x: 1 })
    }
}

fn is_client<C: farcall::Client + std::fmt::Debug + Send + Sync + 'static>() {}
fn is_service<S: farcall::Service + std::fmt::Debug + Clone>(_: &S) {}

fn calls(client: &EverythingClient, point: &Point) -> farcall::Call<String> {
    let _divided: farcall::Call<f64, farcall::CallError<Failure>> = client.divide(1.0, 2.0);
    let name = String::from("short-lived");
    client.borrowed(&name, &[1], point, &[], &[vec![1]], Some(&name), None)
}

#[test]
fn a_trait_with_everything_expands() {
    is_client::<EverythingClient>();
    is_service(&EverythingServer::new(Whole));
    is_service(&EverythingServer::shared(Arc::new(Whole)).clone());
    let _ = calls;
}
