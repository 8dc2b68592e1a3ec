//! The trait implemented for the client, where the service is transparent.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::proofs;
use crate::model::{Method, Service};

pub(super) fn implementation(service: &Service) -> TokenStream {
    let every = service.methods().count() == service.members.len();
    if !service.transparent || !every {
        return TokenStream::new();
    }
    let trait_ = &service.item.ident;
    let client = service.client();
    let bounds = proofs::all_bounds(service);
    let bounds = (!bounds.is_empty()).then(|| quote!(where #(#bounds,)*));
    let methods = service.methods().map(|method| forward(service, method));
    quote! {
        impl #trait_ for #client #bounds { #(#methods)* }
    }
}

fn forward(service: &Service, method: &Method) -> TokenStream {
    let krate = &service.krate;
    let client = service.client();
    let attributes = &method.attributes;
    let (cfg, lints) = (&attributes.cfg, &attributes.lints);
    let allow = (!attributes.deprecated.is_empty()).then(|| quote!(#[allow(deprecated)]));
    let error = Ident::new("error", Span::mixed_site());
    let (ident, stub) = (&method.item.sig.ident, method.stub());
    let output = method.outcome.ty();
    let span = Span::mixed_site().located_at(method.outcome.error_span());
    let converted = quote_spanned!(span=> ::core::convert::From::from(#error));
    let names: Vec<_> = method.arguments.iter().map(|argument| &argument.name).collect();
    let types = method.arguments.iter().map(|argument| &argument.ty);
    quote! {
        #(#cfg)*
        #(#lints)*
        #allow
        async fn #ident(&self, #(#names: #types),*) -> #output {
            match #client::#stub(self, #(#names),*).await {
                ::core::result::Result::Ok(value) => ::core::result::Result::Ok(value),
                ::core::result::Result::Err(#krate::CallError::Service(error)) => ::core::result::Result::Err(error),
                ::core::result::Result::Err(#krate::CallError::Rpc(#error)) => {
                    ::core::result::Result::Err(#converted)
                }
            }
        }
    }
}
