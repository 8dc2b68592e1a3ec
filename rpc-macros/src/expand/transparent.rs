//! The trait implemented for the client, where the service is transparent.

use proc_macro2::TokenStream;
use quote::quote;

use super::proofs;
use crate::model::{Method, Service};

pub(super) fn implementation(service: &Service) -> TokenStream {
    let every = service.methods().count() == service.members.len();
    if !service.transparent || !every {
        return TokenStream::new();
    }
    let trait_ = &service.item.ident;
    let client = service.client();
    let assumptions = proofs::assumptions(service);
    let methods = service.methods().map(|method| forward(service, method));
    quote! {
        impl #trait_ for #client where #(#assumptions,)* { #(#methods)* }
    }
}

fn forward(service: &Service, method: &Method) -> TokenStream {
    let krate = &service.krate;
    let client = service.client();
    let attributes = &method.attributes;
    let (cfg, lints) = (&attributes.cfg, &attributes.lints);
    let allow = (!attributes.deprecated.is_empty()).then(|| quote!(#[allow(deprecated)]));
    let (ident, stub) = (&method.item.sig.ident, method.stub());
    let output = method.outcome.ty();
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
                ::core::result::Result::Err(#krate::CallError::Rpc(error)) => {
                    ::core::result::Result::Err(::core::convert::From::from(error))
                }
            }
        }
    }
}
