//! The trait as it stands after the expansion: implemented as written, its futures `Send`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Block, FnArg, Pat, TraitItem, TraitItemFn, parse_quote};

use crate::model::{Member, Method, Refusal, Service};

/// A program that only calls does not use the trait itself: that is no dead code.
pub(super) fn expand(service: &Service) -> TokenStream {
    let mut item = service.item.clone();
    item.attrs.push(parse_quote!(#[allow(dead_code)]));
    item.colon_token = Some(Default::default());
    item.supertraits.push(parse_quote!(::core::marker::Send));
    item.supertraits.push(parse_quote!(::core::marker::Sync));
    item.supertraits.push(parse_quote!('static));
    for member in &service.members {
        match member {
            Member::Method(method) if method.refusal == Some(Refusal::Duplicate) => {}
            Member::Method(method) => item.items.push(TraitItem::Fn(method_in_trait(method))),
            Member::Other(other) => item.items.push((**other).clone()),
        }
    }
    item.into_token_stream()
}

fn method_in_trait(method: &Method) -> TraitItemFn {
    let mut item = method.item.clone();
    if method.refusal.is_some() {
        mend(&mut item);
    }
    if item.sig.asyncness.take().is_some() {
        let output = method.outcome.ty();
        item.sig.output =
            parse_quote!(-> impl ::core::future::Future<Output = #output> + ::core::marker::Send);
        item.default = item.default.take().map(|body| future(&mut item, &body));
    }
    item
}

/// The default body as a future that owns all arguments from the start, as that of an `async fn` does.
fn future(item: &mut TraitItemFn, body: &Block) -> Block {
    let mut moves = Vec::new();
    for input in &mut item.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let Pat::Ident(pat) = &mut *typed.pat else { continue };
        let mutability = pat.mutability.take();
        let name = &pat.ident;
        moves.push(quote!(let #mutability #name = #name;));
    }
    // Without its braces: rustc would call those around a single expression unnecessary.
    let statements = &body.stmts;
    parse_quote!({ async move { #(#moves)* #(#statements)* } })
}

/// Leaves only the refusal to be reported: what rustc would refuse as well is taken out.
fn mend(item: &mut TraitItemFn) {
    item.sig.constness = None;
    item.sig.variadic = None;
    if item.default.is_some() {
        return;
    }
    for input in &mut item.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        typed.attrs.clear();
        if !matches!(&*typed.pat, Pat::Ident(pat) if pat.mutability.is_none() && pat.by_ref.is_none()) {
            *typed.pat = Pat::Verbatim(quote!(_));
        }
    }
}
