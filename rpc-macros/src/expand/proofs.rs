//! Where the compiler is asked whether types travel: once, at the type.
//!
//! A type that serde does not know would be an error in every line that encodes or decodes it. So the
//! implementations assume that all types travel (rustc takes a bound under `for<'__any>` as given, however
//! false), and one assertion with the span of the type asks for the truth.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, Type, TypePath};

use crate::model::{Argument, Method, Outcome, Passing, Service, last_segment, ungrouped};

/// Types of the standard library that need no proof if what is inside them needs none.
const TRAVELLERS: [&str; 24] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64",
    "u128", "usize", "String", "Vec", "Option", "Box", "BTreeMap", "BTreeSet", "VecDeque", "Duration",
];

/// A type, and what is claimed of it.
struct Claim {
    ty: TokenStream,
    bound: &'static str,
    span: Span,
}

/// One assertion for each type of each method.
pub(super) fn assertions(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let mut asserted = TokenStream::new();
    for method in service.methods() {
        let cfg = &method.attributes.cfg;
        for Claim { ty, bound, span } in claims(service, method) {
            let assertion = syn::Ident::new(bound, Span::mixed_site());
            let assertion = quote_spanned!(span=> #assertion::<#ty>(););
            asserted.extend(quote!(#(#cfg)* #assertion));
        }
    }
    if asserted.is_empty() {
        return asserted;
    }
    quote! {
        const _: fn() = || {
            fn __argument<T: #krate::__private::Argument>() {}
            fn __outcome<T: #krate::__private::Outcome>() {}
            #asserted
        };
    }
}

/// The bounds under which an implementation may take for granted that the types of the methods travel.
pub(super) fn assumptions(service: &Service) -> Vec<TokenStream> {
    let krate = &service.krate;
    let mut seen = Vec::new();
    let mut bounds = Vec::new();
    for method in service.methods().filter(|method| method.attributes.cfg.is_empty()) {
        for Claim { ty, span, .. } in claims(service, method) {
            let text = ty.to_string();
            if !seen.contains(&text) {
                seen.push(text);
                bounds.push(quote_spanned!(span=> #ty: #krate::__private::Argument));
            }
        }
    }
    bounds
}

fn claims(service: &Service, method: &Method) -> Vec<Claim> {
    let mut claims: Vec<_> = method.arguments.iter().filter_map(argument_claim).collect();
    match &method.outcome {
        Outcome::Value(ty) => claims.extend(claim(ty, "__outcome")),
        Outcome::Result(ty) => {
            let krate = &service.krate;
            for (index, part) in ["Ok", "Err"].into_iter().enumerate() {
                let written = generic_argument(ty, index);
                if written.is_some_and(travels) {
                    continue;
                }
                let span = written.unwrap_or(ty).span();
                let part = syn::Ident::new(part, span);
                let ty = quote_spanned!(span=> <#ty as #krate::__private::ResultParts>::#part);
                claims.push(Claim { ty, bound: "__outcome", span });
            }
        }
    }
    claims
}

fn argument_claim(argument: &Argument) -> Option<Claim> {
    match &argument.passing {
        Passing::Str | Passing::Bytes | Passing::OptionStr | Passing::OptionBytes => None,
        Passing::Owned => claim(&argument.ty, "__argument"),
        Passing::Slice(inner) | Passing::Reference(inner) => claim(inner, "__argument"),
    }
}

fn claim(ty: &Type, bound: &'static str) -> Option<Claim> {
    (!travels(ty)).then(|| Claim { ty: ty.to_token_stream(), bound, span: ty.span() })
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

fn generic_argument(ty: &Type, index: usize) -> Option<&Type> {
    match &last_segment(ty)?.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.iter().nth(index)? {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        },
        _ => None,
    }
}
