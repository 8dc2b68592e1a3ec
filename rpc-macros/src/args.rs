//! What is written in the parentheses of `#[service(…)]` and `#[method(…)]`.

use proc_macro2::TokenStream;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, Ident, LitStr, Path};

use crate::refusals::Refusals;

/// The arguments of `#[service(…)]`.
#[derive(Default)]
pub(crate) struct ServiceArgs {
    pub(crate) krate: Option<Path>,
    pub(crate) name: Option<LitStr>,
    pub(crate) transparent: bool,
}

impl ServiceArgs {
    pub(crate) fn parse(tokens: TokenStream, refusals: &mut Refusals) -> Self {
        let mut args = Self::default();
        let parser = syn::meta::parser(|meta| args.take(&meta));
        if let Err(error) = parser.parse2(tokens) {
            refusals.add(error);
        }
        args
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("crate") {
            let path = meta.value()?.parse::<LitStr>()?.parse_with(Path::parse_mod_style)?;
            once(&mut self.krate, path, meta)
        } else if meta.path.is_ident("name") {
            once(&mut self.name, name(meta)?, meta)
        } else if meta.path.is_ident("transparent") && !self.transparent {
            self.transparent = true;
            Ok(())
        } else if meta.path.is_ident("transparent") {
            Err(given_twice(meta))
        } else {
            Err(meta.error("`#[service(…)]` takes `crate = \"path\"`, `name = \"…\"` and `transparent`"))
        }
    }
}

/// The arguments of `#[method(…)]`.
#[derive(Default)]
pub(crate) struct MethodArgs {
    pub(crate) name: Option<LitStr>,
    pub(crate) result: Option<Ident>,
}

impl MethodArgs {
    pub(crate) fn add(&mut self, attribute: &Attribute) -> syn::Result<()> {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                once(&mut self.name, name(&meta)?, &meta)
            } else if meta.path.is_ident("result") {
                once(&mut self.result, meta.path.require_ident()?.clone(), &meta)
            } else {
                Err(meta.error("`#[method(…)]` takes `name = \"…\"` and `result`"))
            }
        })
    }
}

fn name(meta: &ParseNestedMeta<'_>) -> syn::Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    if name.value().is_empty() {
        return Err(syn::Error::new(name.span(), "a name on the wire has at least one character"));
    }
    Ok(name)
}

fn once<T>(slot: &mut Option<T>, value: T, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(given_twice(meta)),
    }
}

fn given_twice(meta: &ParseNestedMeta<'_>) -> syn::Error {
    meta.error("this argument is given once")
}
