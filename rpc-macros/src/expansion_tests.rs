//! Expansions, as text that a person can read.

use proc_macro2::TokenStream;
use quote::quote;

use crate::service_tokens;

fn assert_expansion(name: &str, args: TokenStream, item: TokenStream) {
    let tokens = service_tokens(args, item).to_string();
    let file = syn2::parse_file(&tokens).expect("the expansion is a list of items");
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, prettyplease::unparse(&file)));
}

#[test]
fn async_method_is_a_stub_and_an_arm() {
    assert_expansion(
        "async_method",
        quote!(),
        quote! {
            /// Computes.
            pub trait Calculator {
                /// Adds two numbers.
                async fn add(&self, a: i64, b: i64) -> i64;
            }
        },
    );
}

#[test]
fn plain_methods_run_inline_or_where_blocking_is_allowed() {
    assert_expansion(
        "plain_methods",
        quote!(),
        quote! {
            trait Search {
                fn count(&self, path: String) -> u64;
                #[blocking]
                fn lines(&self, pattern: String) -> Result<Vec<Line>, SearchError>;
            }
        },
    );
}

#[test]
fn borrowed_arguments_are_decoded_and_lent() {
    assert_expansion(
        "borrowed_arguments",
        quote!(),
        quote! {
            trait Store {
                async fn put(&self, key: &str, value: &[u8], tags: &[String], at: &Place, note: Option<&str>);
            }
        },
    );
}

#[test]
fn default_body_owns_its_arguments() {
    assert_expansion(
        "default_body",
        quote!(),
        quote! {
            trait Counter {
                async fn up(&self, mut by: i64, _unit: String) -> i64 {
                    by += 1;
                    by
                }
            }
        },
    );
}

#[test]
fn conditional_method_is_conditional_everywhere() {
    assert_expansion(
        "conditional_methods",
        quote!(name = "parts", crate = "crate::rpc"),
        quote! {
            pub(crate) trait Partial {
                #[cfg(unix)]
                #[deprecated = "old"]
                #[method(name = "uid of")]
                fn uid(&self) -> u32;
                #[cfg_attr(test, cfg(windows), doc = "Lists.", expect(unused))]
                fn drives(&self) -> Vec<char>;
            }
        },
    );
}

#[test]
fn transparent_service_is_implemented_for_its_client() {
    assert_expansion(
        "transparent",
        quote!(transparent),
        quote! {
            pub trait Store {
                async fn fetch(&self, key: &str) -> Result<Vec<u8>, StoreError>;
            }
        },
    );
}

#[test]
fn refused_method_is_absent_from_the_client_but_not_from_the_trait() {
    assert_expansion(
        "refused_method",
        quote!(),
        quote! {
            trait Mixed {
                async fn refused(self, (a, b): (i64, i64), ...) -> i64;
                fn kept(&self);
            }
        },
    );
}

#[test]
fn what_is_no_trait_stays_as_it_is() {
    assert_expansion(
        "not_a_trait",
        quote!(),
        quote!(
            struct Service;
        ),
    );
}
