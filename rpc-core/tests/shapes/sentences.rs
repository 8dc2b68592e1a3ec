//! What a side says when the other side's shape differs.

use farcall_core::__private::{PlainSeed, Shapes};
use serde::Deserialize;

use super::says;

macro_rules! sentence {
    ({ $($here:tt)* } { $($there:tt)* }) => {{
        mod here {
            #[derive(serde::Deserialize)]
            #[allow(dead_code, reason = "only its shape matters")]
            pub(super) $($here)*
        }
        mod there {
            #[derive(serde::Deserialize)]
            #[allow(dead_code, reason = "only its shape matters")]
            pub(super) $($there)*
        }
        says::<here::It, there::It>()
    }};
}

#[test]
fn both_sides_are_shown() {
    assert_eq!(says::<u32, u64>(), "argument it is u32 here, u64 there");
    assert_eq!(says::<String, Vec<u8>>(), "argument it is string here, bytes there");
    assert_eq!(says::<Option<u8>, u8>(), "argument it is u8? here, u8 there");
    assert_eq!(says::<Vec<u16>, Vec<i16>>(), "argument it is [u16] here, [i16] there");
    assert_eq!(says::<[u8; 3], [u8; 4]>(), "argument it is (u8*3) here, (u8*4) there");
}

#[test]
fn a_field_is_named() {
    assert_eq!(
        sentence!({ struct It { a: u8, b: Vec<u32> } } { struct It { a: u8, b: Vec<u64> } }),
        "argument it: field b of It is [u32] here, [u64] there"
    );
    assert_eq!(
        sentence!({ struct It { a: u8 } } { struct It { a: u8, ttl: u64 } }),
        "argument it: It has the field ttl there, not here"
    );
    assert_eq!(
        sentence!({ struct It { a: u8, ttl: u64 } } { struct It { a: u8 } }),
        "argument it: It has the field ttl here, not there"
    );
    assert_eq!(
        sentence!({ struct It { a: u8, b: u8 } } { struct It { b: u8, a: u8 } }),
        "argument it: It has the fields a, b here, b, a there"
    );
}

#[test]
fn a_variant_is_named() {
    assert_eq!(
        sentence!({ enum It { A, B } } { enum It { A, B, C } }),
        "argument it: It has the variant C there, not here"
    );
    assert_eq!(
        sentence!({ enum It { A, B(u8) } } { enum It { A, B { x: u8 } } }),
        "argument it: variant B of It is B(u8) here, B{x:u8} there"
    );
    assert_eq!(
        sentence!({ enum It { A, B { x: Option<u8> } } } { enum It { A, B { x: Option<u16> } } }),
        "argument it: field x of B is u8? here, u16? there"
    );
}

#[test]
fn results_and_counts_are_named() {
    fn method(arity: usize, fails: bool) -> Shapes {
        match (arity, fails) {
            (1, false) => Shapes::trace(&[|method| {
                method.argument("a", PlainSeed::<u8>::new()).value(PlainSeed::<()>::new())
            }]),
            (1, true) => Shapes::trace(&[|method| {
                method
                    .argument("a", PlainSeed::<u8>::new())
                    .result(PlainSeed::<()>::new(), PlainSeed::<u8>::new())
            }]),
            _ => Shapes::trace(&[|method| {
                let method = method.argument("a", PlainSeed::<u8>::new());
                method.argument("b", PlainSeed::<u8>::new()).value(PlainSeed::<u8>::new())
            }]),
        }
    }
    let says = |here: Shapes, there: Shapes| here.difference(0, &there.text(0, 4096));
    assert_eq!(says(method(1, false), method(2, false)), "it takes 1 arguments here (a), 2 there");
    assert_eq!(says(method(2, false), method(1, false)), "it takes 2 arguments here (a, b), 1 there");
    assert_eq!(says(method(1, true), method(1, false)), "it returns a `Result` here, a plain value there");
    assert_eq!(says(method(1, false), method(1, true)), "it returns a plain value here, a `Result` there");
}

type Row<T> = Option<Vec<(String, u8, T)>>;

#[derive(Deserialize)]
struct Large {
    _a: [Row<i32>; 4],
    _b: [Row<Option<u64>>; 4],
}

#[test]
fn whatever_the_peer_writes_makes_a_sentence_and_no_panic() {
    let here = super::taking::<Large>();
    let whole = here.text(0, 4096);
    for cut in 0..=whole.len() {
        assert!(!here.difference(0, &whole[..cut]).is_empty());
    }
    let mut state = 1_u64;
    for _ in 0..2_000 {
        let mut text = String::new();
        for _ in 0..state % 40 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize;
            text.push(
                ['(', ')', '[', ']', '{', '}', '<', '>', ',', ':', '?', '*', '^', '-', '!', 'a', '9', 'ü']
                    [at % 18],
            );
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        assert!(!here.difference(0, &text).is_empty());
    }
    let deep = "(".repeat(65_535);
    assert!(!here.difference(0, &deep).is_empty());
}
