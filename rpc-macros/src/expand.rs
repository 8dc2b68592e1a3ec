//! From the model to code: the trait, and beside it a client and a server.

mod client;
mod proofs;
mod server;
mod trait_;
mod transparent;
mod values;

use proc_macro2::TokenStream;
use quote::quote;

use crate::model::Service;

pub(crate) fn expand(service: &Service) -> TokenStream {
    let trait_ = trait_::expand(service);
    if service.refused {
        return trait_;
    }
    let client = client::structure(service);
    let server = server::structure(service);
    let cfg = &service.attributes.cfg;
    let allowances = service.attributes.allowances();
    let parts = [
        table(service),
        client::implementation(service),
        server::implementation(service),
        transparent::implementation(service),
    ];
    quote! {
        #trait_
        #client
        #server
        #(#cfg)*
        #allowances
        const _: () = { #(#parts)* };
    }
}

/// The methods and their numbers: positions among those that `#[cfg]` leaves.
fn table(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let name = &service.name;
    let cfgs: Vec<_> = service.methods().map(|method| &method.attributes.cfg).collect();
    let variants: Vec<_> = service.methods().map(|method| &method.variant).collect();
    let names = service.methods().map(|method| &method.name);
    let repeats = service.methods().map(|method| method.idempotent.as_ref().map(|_| quote!(.idempotent())));
    let numbers = (!variants.is_empty()).then(|| quote!(enum __Method { #(#(#cfgs)* #variants,)* }));
    quote! {
        #numbers
        static __METHODS: &[#krate::__private::MethodDescriptor] =
            &[#(#(#cfgs)* #krate::__private::MethodDescriptor::new(#names) #repeats,)*];
        static __SERVICE: #krate::__private::ServiceDescriptor =
            #krate::__private::ServiceDescriptor::new(#name, __METHODS);
    }
}
