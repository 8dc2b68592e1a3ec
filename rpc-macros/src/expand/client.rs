//! The client: a stub for each method, which encodes its arguments into the call that it returns.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::{proofs, server, values};
use crate::model::{Method, Outcome, Service};

pub(super) fn structure(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let vis = &service.item.vis;
    let client = service.client();
    let attributes = &service.attributes;
    let (cfg, deprecated) = (&attributes.cfg, &attributes.deprecated);
    let allowances = attributes.allowances();
    let doc = format!(
        " Calls a [`{}`] on the other side of a connection: its methods, each returning a call.",
        service.item.ident
    );
    quote! {
        #(#cfg)*
        #(#deprecated)*
        #allowances
        #[doc = #doc]
        #[derive(::core::clone::Clone)]
        #vis struct #client(#krate::__private::ClientCore);
    }
}

pub(super) fn implementation(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let client = service.client();
    let name = client.to_string();
    let stubs = service.methods().map(|method| stub(service, method));
    let shapes = shapes(service);
    let bounds = proofs::all_bounds(service);
    let bounds = (!bounds.is_empty()).then(|| quote!(where #(#bounds,)*));
    let allow = server::allowed(service);
    quote! {
        impl #client { #(#stubs)* }

        impl ::core::fmt::Debug for #client {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(formatter, #name)
            }
        }

        #allow
        impl #krate::Client for #client #bounds {
            const DESCRIPTOR: &'static #krate::__private::ServiceDescriptor = &__SERVICE;

            #shapes

            fn __from_core(core: #krate::__private::ClientCore) -> Self {
                Self(core)
            }

            fn __core(&self) -> &#krate::__private::ClientCore {
                &self.0
            }
        }
    }
}

/// The types of all methods, for whoever wants to know their shapes.
fn shapes(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let methods = service.methods().map(|method| {
        let cfg = &method.attributes.cfg;
        let seed_traits = values::seed_traits(service);
        let arguments = method.arguments.iter().map(|argument| {
            let name = argument.name.unraw().to_string();
            let seed = values::argument_seed(service, argument);
            quote!(.argument(#name, #seed))
        });
        let outcome = match &method.outcome {
            Outcome::Value(ty) => {
                let seed = values::seed_of(service, ty);
                quote!(.value(#seed))
            }
            Outcome::Result(ty) => {
                let (ok, err) = values::result_seeds(service, ty);
                quote!(.result(#ok, #err))
            }
        };
        quote!(#(#cfg)* |method| { #seed_traits method #(#arguments)* #outcome })
    });
    quote! {
        fn __shapes() -> &'static #krate::__private::Shapes {
            static SHAPES: ::std::sync::OnceLock<#krate::__private::Shapes> = ::std::sync::OnceLock::new();
            #krate::__private::Shapes::once(&SHAPES, &[#(#methods,)*])
        }
    }
}

fn stub(service: &Service, method: &Method) -> TokenStream {
    let krate = &service.krate;
    let vis = &service.item.vis;
    let attributes = &method.attributes;
    let (cfg, doc, deprecated, lints) =
        (&attributes.cfg, &attributes.doc, &attributes.deprecated, &attributes.lints);
    let default_doc = doc.is_empty().then(|| {
        let text = format!(" Calls `{}`.", method.name);
        quote!(#[doc = #text])
    });
    let name = method.stub();
    let variant = &method.variant;
    let parameters = method.arguments.iter().map(|argument| {
        let (name, ty) = (&argument.name, &argument.ty);
        quote!(#name: #ty)
    });
    let encodings = method.arguments.iter().map(|argument| values::encoded_argument(service, argument));
    let encoding_traits = (!method.arguments.is_empty()).then(|| values::encoding_traits(service));
    let seed_traits = values::seed_traits(service);
    let bounds = proofs::bounds(service, method);
    let bounds = (!bounds.is_empty()).then(|| quote!(where #(#bounds,)*));
    let (call, decoded) = outcome(service, &method.outcome);
    quote! {
        #(#cfg)*
        #(#doc)*
        #default_doc
        #(#deprecated)*
        #(#lints)*
        #vis fn #name(&self, #(#parameters),*) -> #call #bounds {
            #encoding_traits
            #seed_traits
            #krate::__private::call(&self.0, __Method::#variant as u16, (#(#encodings,)*), |reply| #decoded)
        }
    }
}

/// The type of the call, and what makes its result of the `reply`.
fn outcome(service: &Service, outcome: &Outcome) -> (TokenStream, TokenStream) {
    let krate = &service.krate;
    match outcome {
        Outcome::Value(ty) => {
            let seed = values::seed_of(service, ty);
            (quote!(#krate::Call<#ty>), quote!(reply.value(#seed)))
        }
        Outcome::Result(ty) => {
            let ok = quote!(<#ty as #krate::__private::ResultParts>::Ok);
            let err = quote!(<#ty as #krate::__private::ResultParts>::Err);
            let (ok_seed, err_seed) = values::result_seeds(service, ty);
            (quote!(#krate::Call<#ok, #krate::CallError<#err>>), quote!(reply.result(#ok_seed, #err_seed)))
        }
    }
}
