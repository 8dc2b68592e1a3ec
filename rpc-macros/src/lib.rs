//! The `#[service]` attribute: reads a trait, writes its client and its server.

#![forbid(unsafe_code)]

mod args;
mod attributes;
mod check;
mod expand;
mod model;
mod refusals;

#[cfg(test)]
mod expansion_tests;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use crate::args::ServiceArgs;
use crate::model::Service;
use crate::refusals::Refusals;

/// Makes a trait a service that can be called from another process.
///
/// Beside the trait stand afterwards, for a trait `Calculator`, the client `CalculatorClient`, which has
/// every method of the trait as a stub that returns a `Call`, and the server `CalculatorServer<S>`, which
/// serves any implementation (`CalculatorServer::new(x)`, or `CalculatorServer::shared(arc)`). The trait
/// itself gets the supertraits `Send + Sync + 'static`, and each `async fn` becomes a function that returns a
/// `Send` future; it is still implemented with `async fn`.
///
/// # The trait
/// - Methods take `&self` and at most 16 arguments with plain names: owned serde types, or `&str`, `&[u8]`,
///   `&T`, `&[T]`, `Option<&str>`, `Option<&[u8]>`. Results are owned serde types.
/// - A result type whose last segment is `Result` is taken apart: its error reaches the caller as
///   `CallError::Service`.
/// - Default bodies, doc comments, `#[cfg]`, `#[deprecated]` and visibility are kept and carried to the client.
///
/// # Arguments of `#[service(…)]`
/// - `crate = "path"`: where Farcall is found, by default `::farcall`.
/// - `name = "…"`: the name of the service on the wire, by default the trait's.
/// - `transparent`: also implements the trait for the client. Every method is then `async` and returns
///   `Result<_, E>` with `E: From<farcall::Error>`.
///
/// # Attributes of a method
/// - `#[blocking]`: this plain `fn` runs where blocking is allowed.
/// - `#[idempotent]`: running it twice does no harm, so that a pool may send its calls again.
/// - `#[method(name = "…")]`: the name of the method on the wire, by default the method's.
/// - `#[method(result)]`: the result type is a `Result` under another name.
///
/// # Errors
/// What cannot be supported is refused at compile time, at the token in question, in a sentence that says
/// what is allowed.
///
/// The crate `farcall` has this attribute, and examples that run.
///
/// ```text
/// #[farcall::service]
/// pub trait Calculator {
///     /// Adds two numbers.
///     async fn add(&self, a: i64, b: i64) -> i64;
/// }
/// ```
#[proc_macro_attribute]
pub fn service(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    service_tokens(args.into(), item.into()).into()
}

fn service_tokens(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut refusals = Refusals::default();
    let args = ServiceArgs::parse(args, &mut refusals);
    let expansion = match syn::parse2(item.clone()) {
        Ok(Item::Trait(item)) => {
            let mut service = Service::new(args, item, &mut refusals);
            check::check(&mut service, &mut refusals);
            expand::expand(&service)
        }
        Ok(_) => {
            refusals.refuse(first_token(&item), "`#[service]` is for a trait whose methods take `&self`");
            item
        }
        Err(error) => {
            refusals.add(error);
            item
        }
    };
    let errors = refusals.into_compile_errors();
    quote!(#expansion #errors)
}

fn first_token(item: &TokenStream) -> TokenStream {
    item.clone().into_iter().take(1).collect()
}
