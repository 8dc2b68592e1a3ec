//! The server: decodes the arguments of a request, calls the implementation, encodes its result.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote};

use super::{proofs, values};
use crate::model::{Kind, Method, Outcome, Passing, Service};

pub(super) fn structure(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let vis = &service.item.vis;
    let server = service.server();
    let attributes = &service.attributes;
    let (cfg, deprecated) = (&attributes.cfg, &attributes.deprecated);
    let allowances = attributes.allowances();
    let doc = format!(" Serves an implementation of [`{}`].", service.item.ident);
    quote! {
        #(#cfg)*
        #(#deprecated)*
        #allowances
        #[doc = #doc]
        #vis struct #server<S>(#krate::__private::ServerCore<S>);
    }
}

pub(super) fn implementation(service: &Service) -> TokenStream {
    let dispatch = dispatch(service);
    let krate = &service.krate;
    let vis = &service.item.vis;
    let trait_ = &service.item.ident;
    let server = service.server();
    let name = server.to_string();
    quote! {
        impl<__S: #trait_> #server<__S> {
            /// Serves `service`.
            #vis fn new(service: __S) -> Self {
                Self(#krate::__private::ServerCore::new(service, __METHODS.len()))
            }

            /// Serves `service` together with whoever else holds it.
            #vis fn shared(service: ::std::sync::Arc<__S>) -> Self {
                Self(#krate::__private::ServerCore::shared(service, __METHODS.len()))
            }
        }

        impl<__S> ::core::clone::Clone for #server<__S> {
            fn clone(&self) -> Self {
                Self(::core::clone::Clone::clone(&self.0))
            }
        }

        impl<__S> ::core::fmt::Debug for #server<__S> {
            fn fmt(&self, formatter: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Formatter::write_str(formatter, #name)
            }
        }

        #dispatch
    }
}

fn dispatch(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let trait_ = &service.item.ident;
    let server = service.server();
    let bounds = proofs::all_bounds(service);
    let bounds = (!bounds.is_empty()).then(|| quote!(where #(#bounds,)*));
    let arms = service.methods().map(|method| arm(service, method));
    let client = service.client();
    let allow = allowed(service);
    quote! {
        #allow
        impl<__S: #trait_> #krate::Service for #server<__S> #bounds {
            fn descriptor(&self) -> &'static #krate::__private::ServiceDescriptor {
                &__SERVICE
            }

            fn __shapes(&self) -> &'static #krate::__private::Shapes {
                <#client as #krate::Client>::__shapes()
            }

            fn dispatch(&self, request: #krate::__private::Request<'_>) {
                match request.method() {
                    #(#arms)*
                    _ => request.unknown_method(),
                }
            }
        }
    }
}

/// Code that names what all methods name is as free as they are.
pub(super) fn allowed(service: &Service) -> Option<TokenStream> {
    let is_deprecated = service.methods().any(|method| !method.attributes.deprecated.is_empty());
    is_deprecated.then(|| quote!(#[allow(deprecated)]))
}

fn arm(service: &Service, method: &Method) -> TokenStream {
    let trait_ = &service.item.ident;
    let name = &method.item.sig.ident;
    let (cfg, lints, variant) = (&method.attributes.cfg, &method.attributes.lints, &method.variant);
    let variables: Vec<Ident> = (0..method.arguments.len()).map(variable).collect();
    let seeds = method.arguments.iter().map(|argument| values::argument_seed(service, argument));
    let seed_traits = method.arguments.iter().any(is_selected).then(|| values::seed_traits(service));
    let giving_traits = values::giving_traits(service);
    let arguments = method.arguments.iter().zip(&variables);
    let arguments = arguments.map(|(argument, variable)| values::handed_over(argument, variable));
    let reply = reply(service, &method.outcome);
    let (run, service, asynchronous, wait) = match method.kind {
        Kind::Async => (quote!(run_async), quote!(&*service), Some(quote!(async move)), Some(quote!(.await))),
        Kind::Inline => (quote!(run_inline), quote!(service), None, None),
        Kind::Blocking => (quote!(run_blocking), quote!(service), None, None),
    };
    quote! {
        #(#cfg)*
        #(#lints)*
        number if number == __Method::#variant as u16 => request.#run(&self.0, |service, body| #asynchronous {
            #seed_traits
            #giving_traits
            let (#(#variables,)*) = body.decode((#(#seeds,)*))?;
            let value = <__S as #trait_>::#name(#service, #(#arguments),*) #wait;
            #reply
        }),
    }
}

fn variable(index: usize) -> Ident {
    format_ident!("argument{index}", span = Span::mixed_site())
}

/// Whether the decoder of the argument is selected by its type.
fn is_selected(argument: &crate::model::Argument) -> bool {
    matches!(argument.passing, Passing::Owned | Passing::Slice(_) | Passing::Reference(_))
}

fn reply(service: &Service, outcome: &Outcome) -> TokenStream {
    let value = values::given(service, &quote!(value));
    match outcome {
        Outcome::Value(_) => quote!(body.reply(#value)),
        Outcome::Result(_) => quote! {
            match value {
                ::core::result::Result::Ok(value) => body.reply(#value),
                ::core::result::Result::Err(value) => body.reply_error(#value),
            }
        },
    }
    .into_token_stream()
}
