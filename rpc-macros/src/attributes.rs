//! Which attributes of a trait or a method go where in the expansion.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Path, Token, parse_quote};

/// The attributes that generated items share with what the user wrote.
pub(crate) struct Attributes {
    /// `#[cfg]`: what is absent in the trait is absent everywhere.
    pub(crate) cfg: Vec<Attribute>,
    /// `#[doc]`.
    pub(crate) doc: Vec<Attribute>,
    /// `#[deprecated]`.
    pub(crate) deprecated: Vec<Attribute>,
    /// `#[allow]`, and `#[expect]` as `#[allow]`.
    pub(crate) lints: Vec<Attribute>,
}

impl Attributes {
    pub(crate) fn new(attributes: &[Attribute]) -> Self {
        let kept =
            |names: &[&str]| attributes.iter().filter_map(|attribute| keep(attribute, names)).collect();
        let lints: Vec<_> = kept(&["allow", "expect"]);
        Self {
            cfg: kept(&["cfg"]),
            doc: kept(&["doc"]),
            deprecated: kept(&["deprecated"]),
            lints: lints.into_iter().map(allow).collect(),
        }
    }

    /// The lints that the user allows, and `deprecated` where using the item would be a warning.
    pub(crate) fn allowances(&self) -> TokenStream {
        let lints = &self.lints;
        let deprecated = (!self.deprecated.is_empty()).then(|| quote!(#[allow(deprecated)]));
        quote!(#(#lints)* #deprecated)
    }
}

/// This attribute if it is one of `names`, looking into `cfg_attr` for them.
fn keep(attribute: &Attribute, names: &[&str]) -> Option<Attribute> {
    if is_one_of(attribute.path(), names) {
        return Some(attribute.clone());
    }
    let (predicate, inner) = conditional(attribute)?;
    let kept: Vec<_> = inner.into_iter().filter(|meta| is_one_of(meta.path(), names)).collect();
    (!kept.is_empty()).then(|| parse_quote!(#[cfg_attr(#predicate, #(#kept),*)]))
}

fn allow(attribute: Attribute) -> Attribute {
    let as_allow = |meta: Meta| match meta {
        Meta::List(list) if list.path.is_ident("expect") => {
            let tokens = list.tokens;
            parse_quote!(allow(#tokens))
        }
        meta => meta,
    };
    match conditional(&attribute) {
        Some((predicate, inner)) => {
            let inner = inner.into_iter().map(as_allow);
            parse_quote!(#[cfg_attr(#predicate, #(#inner),*)])
        }
        None => {
            let meta = as_allow(attribute.meta);
            parse_quote!(#[#meta])
        }
    }
}

fn is_one_of(path: &Path, names: &[&str]) -> bool {
    names.iter().any(|name| path.is_ident(name))
}

/// The predicate of a `cfg_attr`, and the attributes under it.
fn conditional(attribute: &Attribute) -> Option<(TokenStream, Punctuated<Meta, Token![,]>)> {
    let Meta::List(list) = &attribute.meta else { return None };
    if !list.path.is_ident("cfg_attr") {
        return None;
    }
    let mut tokens = list.tokens.clone().into_iter();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    let predicate = tokens.by_ref().take_while(|token| !is_comma(token)).collect::<TokenStream>();
    let inner =
        Punctuated::parse_terminated.parse2(tokens.collect::<TokenStream>().into_token_stream()).ok()?;
    Some((predicate, inner))
}
