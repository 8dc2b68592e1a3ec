//! Where the compiler is asked whether types travel: once, at the type.
//!
//! A type that serde does not know would be an error in every line that encodes or decodes it. In the scope
//! of a bound on a concrete type rustc takes the bound as given, however false, and reports it once, where it
//! stands: so the stub and the server carry the same bounds at the same place, that of the type.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, Type, TypePath};

use crate::model::{Argument, Method, Outcome, Passing, Service, ungrouped};

/// Types of the standard library that need no proof if what is inside them needs none.
const TRAVELLERS: [&str; 24] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64",
    "u128", "usize", "String", "Vec", "Option", "Box", "BTreeMap", "BTreeSet", "VecDeque", "Duration",
];

/// That the types of one method travel, as bounds.
pub(super) fn bounds(service: &Service, method: &Method) -> Vec<TokenStream> {
    let mut bounds = Vec::new();
    for argument in &method.arguments {
        bounds.extend(argument_bound(service, argument));
    }
    bounds.extend(outcome_bounds(service, &method.outcome));
    bounds
}

/// That the types of all methods travel. Types that a `#[cfg]` may remove are left out.
pub(super) fn all_bounds(service: &Service) -> Vec<TokenStream> {
    let unconditional = service.methods().filter(|method| method.attributes.cfg.is_empty());
    unconditional.flat_map(|method| bounds(service, method)).collect()
}

fn argument_bound(service: &Service, argument: &Argument) -> Option<TokenStream> {
    let ty = match &argument.passing {
        Passing::Str | Passing::Bytes | Passing::OptionStr | Passing::OptionBytes => return None,
        Passing::Owned => &argument.ty,
        Passing::Slice(inner) | Passing::Reference(inner) => inner,
    };
    (!travels(ty)).then(|| bound(service, &ty.to_token_stream(), ty.span(), "Argument"))
}

fn outcome_bounds(service: &Service, outcome: &Outcome) -> Vec<TokenStream> {
    match outcome {
        Outcome::Value(ty) if travels(ty) => Vec::new(),
        Outcome::Value(ty) => vec![bound(service, &ty.to_token_stream(), ty.span(), "Outcome")],
        Outcome::Result(ty) => {
            let krate = &service.krate;
            let parts = ["Ok", "Err"].into_iter().enumerate().filter_map(|(index, part)| {
                let written = outcome.written_part(index);
                if written.is_some_and(travels) {
                    return None;
                }
                let span = written.unwrap_or(ty).span();
                let part = Ident::new(part, span);
                let ty = quote_spanned!(span=> <#ty as #krate::__private::ResultParts>::#part);
                Some(bound(service, &ty, span, "Outcome"))
            });
            parts.collect()
        }
    }
}

fn bound(service: &Service, ty: &TokenStream, span: Span, name: &str) -> TokenStream {
    let span = Span::mixed_site().located_at(span);
    let krate = respanned(service.krate.to_token_stream(), span);
    let name = Ident::new(name, span);
    quote_spanned!(span=> #ty: #krate::__private::#name)
}

fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let tokens = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(span));
        token
    });
    tokens.collect()
}

/// Whether the type is known to travel by its name.
fn travels(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Tuple(tuple) => tuple.elems.len() <= 16 && tuple.elems.iter().all(travels),
        Type::Path(TypePath { qself: None, path, .. }) => {
            let Some(segment) = path.segments.first().filter(|_| path.segments.len() == 1) else {
                return false;
            };
            let inner = match &segment.arguments {
                PathArguments::None => true,
                PathArguments::AngleBracketed(arguments) => {
                    arguments.args.iter().all(|argument| match argument {
                        GenericArgument::Type(ty) => travels(ty),
                        _ => false,
                    })
                }
                PathArguments::Parenthesized(_) => false,
            };
            inner && TRAVELLERS.iter().any(|name| segment.ident == name)
        }
        _ => false,
    }
}
